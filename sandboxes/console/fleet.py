"""Every sandbox as a list: which were asked for, in which order, how many there are of each kind.

A page costs the same number of queries for three sandboxes and for three thousand.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, Max, OrderBy, OuterRef, Q, QuerySet
from django.utils import timezone

from sandboxes.console import words
from sandboxes.console.question import NUMBERS, SORTS, Question
from sandboxes.console.usage import Reading, Readings, readings
from sandboxes.console.words import KINDS, NAMED, Kind
from sandboxes.lifecycle import ALIVE, PASSING, State
from sandboxes.models import Cluster, Sandbox, SandboxEvent

PER_PAGE = 50

_STAGES = {"namespaces": "its walls", "kafka": "its broker", "probe": "its proof"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list, in words."""

    sandbox: Sandbox
    kind: Kind
    since: str
    age: str
    used: str
    expires: str
    why: str
    reading: Reading | None
    largest: int

    @property
    def memory(self) -> str:
        return words.size(self.reading.memory_bytes) if self.reading else words.NOTHING

    @property
    def cores(self) -> str:
        return words.cores(self.reading.cores if self.reading else None)

    @property
    def share(self) -> int:
        """For the little bar: of the largest there is, in hundredths."""
        return round(self.reading.memory_bytes / self.largest * 100) if self.reading and self.largest else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One kind with how many there are of it, and the question that shows or hides it."""

    kind: Kind
    count: int
    is_on: bool
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One column's heading. order: "ascending", "descending" or ""; address: the list in that order."""

    name: str
    word: str
    order: str
    address: str

    @property
    def is_number(self) -> bool:
        return self.name in NUMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A page of the list with everything around it."""

    question: Question
    rows: tuple[Row, ...]
    facets: tuple[Facet, ...]
    headings: tuple[Heading, ...]
    total: int
    everything: int
    pages: int
    memory_bytes: int
    cores: float | None
    taken: Readings
    clusters: tuple[Cluster, ...]

    @property
    def gone(self) -> int:
        """Deleted ones that the list leaves out."""
        gone = next((facet.count for facet in self.facets if facet.kind is NAMED["deleted"]), 0)
        return gone if not self.question.kind and not self.question.cause else 0

    @property
    def first(self) -> int:
        return (self.question.page - 1) * PER_PAGE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1 if self.rows else 0

    @property
    def before(self) -> str:
        """The page before; "" on the first."""
        page = self.question.page
        return replace(self.question, page=page - 1).address if page > 1 else ""

    @property
    def after(self) -> str:
        """The next page; "" on the last."""
        page = self.question.page
        return replace(self.question, page=page + 1).address if page < self.pages else ""

    @property
    def in_all(self) -> str:
        """What all of them use together, as far as it was read."""
        cores = f"{self.cores:.1f} cores, " if self.cores is not None else ""
        return f"{cores}{words.size(self.memory_bytes)}" if self.taken.by_hex else ""


def fleet(question: Question) -> Fleet:
    """The list as it is asked for: six queries at most, and one reading of each backend older than 10 s."""
    now, clusters = timezone.now(), list(Cluster.objects.order_by("name"))
    taken = readings(clusters or [None])
    matching = _matching(question)
    counts = Counter[Kind]()
    for state, frozen, count in matching.order_by().values_list("state", "frozen").annotate(Count("pk")):
        counts[words.kind_of(state, frozen=frozen)] += count
    total = sum(count for kind, count in counts.items() if _is_shown(kind, question))
    pages = max(1, -(-total // PER_PAGE))
    question = replace(question, page=min(question.page, pages))
    known_cores = [reading.cores for reading in taken.by_hex.values() if reading.cores is not None]
    shown = _page(_of_kind(matching, question), question, taken)
    turned = _turned_at(shown)
    return Fleet(
        question=question,
        rows=tuple(_row(sandbox, turned.get(sandbox.pk), now, taken) for sandbox in shown),
        facets=_facets(counts, question),
        headings=_headings(question),
        total=total,
        everything=Sandbox.objects.exclude(state=State.DELETED).count(),
        pages=pages,
        memory_bytes=sum(reading.memory_bytes for reading in taken.by_hex.values()),
        cores=sum(known_cores) if known_cores else None,
        taken=taken,
        clusters=tuple(clusters),
    )


def _matching(question: Question) -> QuerySet[Sandbox]:
    """What was asked for, of every kind."""
    rows = Sandbox.objects.all()
    if question.cluster:
        rows = rows.filter(cluster__name=question.cluster)
    if question.cause:
        rows = rows.filter(Q(failure_cause=question.cause) | Q(Exists(_failed_lately(question.cause))))
    if question.owner:
        rows = rows.filter(owner__username=question.owner)
    for word in question.words.split()[:6]:
        rows = rows.filter(_about(word))
    return rows


def _failed_lately(cause: str) -> QuerySet[SandboxEvent]:
    """Failures with this cause in the last day, of the outer query's sandbox; it may be well again by now."""
    day = timezone.now() - timedelta(days=1)
    return SandboxEvent.objects.filter(
        sandbox=OuterRef("pk"), kind=SandboxEvent.MOVE, new=State.FAILED, cause=cause, at__gte=day
    )


def _about(word: str) -> Q:
    """A word of the search: somebody's name, a reference, a profile, a cluster or a cause."""
    columns = (
        "owner__username",
        "owner__first_name",
        "owner__last_name",
        "profile",
        "cluster__name",
        "failure_cause",
    )
    found = Q(pk__startswith=word.lower())
    for column in columns:
        found |= Q(**{f"{column}__icontains": word})
    return found | Q(pk=sandbox_id) if (sandbox_id := _id_in(word)) else found


def _id_in(word: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(hex=word)
    except ValueError:
        return None


def _is_shown(kind: Kind, question: Question) -> bool:
    """What is gone is shown to whoever asks for it, or for a cause: its failure counted too."""
    if question.kind:
        return kind.name == question.kind
    return bool(question.cause) or kind is not NAMED["deleted"]


def _of_kind(rows: QuerySet[Sandbox], question: Question) -> QuerySet[Sandbox]:
    if question.kind:
        return rows.filter(NAMED[question.kind].rows())
    return rows if question.cause else rows.exclude(state=State.DELETED)


def _page(rows: QuerySet[Sandbox], question: Question, taken: Readings) -> list[Sandbox]:
    start = (question.page - 1) * PER_PAGE
    name, is_turned = question.sort.removeprefix("-"), question.sort.startswith("-")
    rows = rows.select_related("owner", "cluster")
    if SORTS[name][1]:
        ordered = rows.order_by(*_ordering(name, is_turned=is_turned), "pk")
        return list(ordered[start : start + PER_PAGE])
    ids = _by_reading(rows, name, taken, is_turned=is_turned)[start : start + PER_PAGE]
    found = rows.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def _ordering(name: str, *, is_turned: bool) -> list[OrderBy]:
    """Columns in their order or the other way round; what is empty comes last in both."""
    return [
        _order(F(column.lstrip("-")), falls=column.startswith("-") != is_turned) for column in SORTS[name][1]
    ]


def _order(column: F, *, falls: bool) -> OrderBy:
    return column.desc(nulls_last=True) if falls else column.asc(nulls_last=True)


def _by_reading(rows: QuerySet[Sandbox], name: str, taken: Readings, *, is_turned: bool) -> list[uuid.UUID]:
    """Ids by what was read of them, the most first; those of which nothing is known come last in both."""

    def key(pk: uuid.UUID) -> tuple[bool, float, str]:
        reading = taken.by_hex.get(pk.hex)
        value = None if reading is None else reading.cores if name == "cores" else reading.memory_bytes
        return value is None, (value or 0) * (1 if is_turned else -1), pk.hex

    return sorted(rows.order_by().values_list("pk", flat=True), key=key)


def _turned_at(shown: Sequence[Sandbox]) -> dict[uuid.UUID, datetime]:
    """When each was last frozen or thawed."""
    turns = SandboxEvent.objects.filter(
        sandbox__in=[sandbox.pk for sandbox in shown], kind=SandboxEvent.ACT, new__in=words.TURNS
    )
    return dict(turns.order_by().values_list("sandbox").annotate(Max("at")))


def _row(sandbox: Sandbox, turned_at: datetime | None, now: datetime, taken: Readings) -> Row:
    left_s = (sandbox.expires_at - now).total_seconds() if sandbox.expires_at else None
    is_awake = sandbox.now in ALIVE
    return Row(
        sandbox=sandbox,
        kind=words.kind_of_sandbox(sandbox),
        since=words.since(words.kind_since(sandbox, turned_at), now),
        age=words.since(sandbox.created_at, now),
        used=words.since(sandbox.last_activity_at, now),
        expires=words.lasting(max(0.0, left_s)) if is_awake and left_s is not None else words.NOTHING,
        why=_why(sandbox, now),
        reading=taken.by_hex.get(sandbox.hex),
        largest=taken.largest,
    )


def _why(sandbox: Sandbox, now: datetime) -> str:
    """Why it lives, or what holds it, in a few words."""
    if sandbox.now is State.FAILED:
        return sandbox.failure_sentence
    if sandbox.now in PASSING or sandbox.now is State.QUARANTINED:
        return _STAGES.get(sandbox.stage, sandbox.detail)
    if sandbox.now is State.DEGRADED:
        return sandbox.detail
    if sandbox.held_until and sandbox.held_until > now:
        return f"held until {sandbox.held_until:%H:%M} UTC"
    if sandbox.now in ALIVE:
        return words.USES.get(sandbox.last_activity_source, sandbox.last_activity_source)
    return "for whoever starts next" if sandbox.now is State.WARM else ""


def _facets(counts: Counter[Kind], question: Question) -> tuple[Facet, ...]:
    """The kinds there are any of; pressing one that is on shows all again."""
    return tuple(
        Facet(
            kind=kind,
            count=counts[kind],
            is_on=question.kind == kind.name,
            address=replace(question, kind="" if question.kind == kind.name else kind.name, page=1).address,
        )
        for kind in KINDS
        if counts[kind] or question.kind == kind.name
    )


def _headings(question: Question) -> tuple[Heading, ...]:
    headings = []
    for name, (word, columns) in SORTS.items():
        is_by, is_turned = question.sort.removeprefix("-") == name, question.sort.startswith("-")
        falls = (
            not columns
        ) != is_turned  # as it reads: the younger and the later used are fewer minutes ago
        turned = f"-{name}" if is_by and not is_turned else name
        headings.append(
            Heading(
                name=name,
                word=word,
                order=("descending" if falls else "ascending") if is_by else "",
                address=replace(question, sort=turned, page=1).address,
            )
        )
    return tuple(headings)
