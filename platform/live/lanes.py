"""One viewed topic's records on their way into frames: shown where there is room, counted always.

Up to 100 records a second (three seconds' worth at once) all are shown; above that the newest of each
partition per tick. Batches that are not shown are never opened, and no more than 8 MB a second are
decompressed. Whatever happens, per partition `first`..`last` follows on without a hole and `seen` counts
every record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from live.bounds import Allowance, Kept
from live.frames import RECORDS_KEPT, RECORDS_PER_SECOND, Part
from live.previews import preview
from sandboxes.wire import batches
from sandboxes.wire.batches import Batch
from sandboxes.wire.errors import CorruptAnswer

BURST = 3 * RECORDS_PER_SECOND
RUN_RECORDS = 16
RUN_BYTES = 12 * 1024
FRAME_BYTES = 48 * 1024
# Stepping through more would hold up every other sandbox of this process.
_MOST_OPENED = 20_000
# So would decompressing much: a few kilobytes hold megabytes, and may come a hundred times a second.
OPENED_BYTES_PER_SECOND = 8 * 1024 * 1024
OPENED_BURST = 2 * OPENED_BYTES_PER_SECOND
_ACCOUNT_BYTES = 140
# No snapshot has room for more.
KEPT_BYTES = 512 * 1024


@dataclass(slots=True)
class Run:
    """A stretch of one partition: its account, and the previews of those that are shown."""

    part: Part
    shown: list[bytes] = field(default_factory=list)

    def size(self) -> int:
        return sum(map(len, self.shown)) + _ACCOUNT_BYTES


class TopicLane:
    """Takes batches as they come, gives runs when a frame is due, and keeps the newest for a snapshot."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._skipped: dict[int, tuple[Batch, Run]] = {}
        self._showing = Allowance(RECORDS_PER_SECOND, BURST)
        self._opening = Allowance(OPENED_BYTES_PER_SECOND, OPENED_BURST)
        self._kept = _kept()

    def add(
        self, partition: int, found: Iterable[Batch], start: int, *, now: float, is_history: bool = False
    ) -> int:
        """Account for the records at `start` and later; the next offset to ask for. now: monotonic seconds.

        History is shown in full: it was asked for by the dozen. Raises CorruptAnswer between batches; what
        came before counts.
        """
        self._showing.refill(now)
        self._opening.refill(now)
        for batch in found:
            if batch.last_offset >= start:
                self._add(partition, batch, start, is_history)
                start = batch.last_offset + 1
        return start

    def jump(self, partition: int, start: int, end: int) -> None:
        """Account for offsets start..end-1 that nobody will read: we are too far behind."""
        self._runs.append(
            Run(Part(p=partition, first=start, last=end - 1, seen=end - start, shown=0, bytes=0))
        )

    def clear(self) -> None:
        """The topic was made anew: what is kept belongs to another."""
        self._runs, self._skipped, self._kept = [], {}, _kept()

    def take(self) -> list[Run]:
        """The runs since the last call, in order."""
        for partition, (batch, run) in self._skipped.items():
            self._show_one(partition, batch, run)
        runs, self._runs, self._skipped = self._runs, [], {}
        return runs

    def newest(self, most: int = RECORDS_KEPT) -> list[bytes]:
        """The last previews of each partition, oldest first within it."""
        return self._kept.newest(most)

    def _add(self, partition: int, batch: Batch, start: int, is_history: bool) -> None:
        first = max(start, batch.base_offset)
        if batch.is_control:
            self._runs.append(Run(_part(partition, first, batch.last_offset, 0, batch.size, markers=1)))
            return
        whole = min(batch.count, batch.last_offset - first + 1)
        room = RECORDS_KEPT if is_history else int(self._showing.left)
        is_entered_midway = batch.base_offset < start and batch.count <= _MOST_OPENED
        opened = self._opened(batch, start, None if is_entered_midway else room)
        found = opened or []
        seen = whole if opened is None or not is_entered_midway else len(found)
        shown = found[-room:] if is_history else found[:room]
        if not is_history:
            self._showing.spend(len(shown))
        runs = list(
            _runs(partition, first, batch, seen, [(r.offset, self._keep(partition, r)) for r in shown])
        )
        self._runs += runs
        if seen and not shown:
            self._skipped[partition] = (batch, runs[-1])

    def _show_one(self, partition: int, batch: Batch, run: Run) -> None:
        """Of the newest batch that was skipped in this tick show the first record, so that a fast lane moves.

        The first, because reaching the last would mean stepping through all others.
        """
        for record in self._opened(batch, run.part.first, 1) or ():
            run.shown.append(self._keep(partition, record))
            run.part = _with_shown(run.part, len(run.shown))

    def _opened(self, batch: Batch, start: int, most: int | None) -> list[batches.WireRecord] | None:
        """The records; None when they cannot be read or would cost too much: they still count by the head."""
        if most == 0 or batch.count > _MOST_OPENED or (batch.codec and self._opening.left <= 0):
            return None
        try:
            plain = batches.inflated(batch)
            self._opening.spend(len(plain.body) if batch.codec else 0)
            return batches.records(plain, start=start, most=most)
        except CorruptAnswer:
            return None

    def _keep(self, partition: int, record: batches.WireRecord) -> bytes:
        one = preview(partition, record)
        self._kept.add(partition, one)
        return one


def _kept() -> Kept:
    return Kept(per_row=RECORDS_KEPT, most_bytes=KEPT_BYTES)


def _runs(
    partition: int, first: int, batch: Batch, seen: int, shown: Sequence[tuple[int, bytes]]
) -> Iterator[Run]:
    """One batch cut into runs of a few shown records each, so that frames can stay small."""
    chunks = list(_chunks(shown))
    left = seen
    for index, chunk in enumerate(chunks):
        is_last = index == len(chunks) - 1
        last = batch.last_offset if is_last else chunk[-1][0]
        count = left if is_last else len(chunk)
        part = _part(partition, first, last, count, batch.size if index == 0 else 0, shown=len(chunk))
        yield Run(part, [one for _, one in chunk])
        first, left = last + 1, left - count


def _chunks(shown: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    chunk: list[tuple[int, bytes]] = []
    size = 0
    for one in shown:
        if chunk and (len(chunk) == RUN_RECORDS or size + len(one[1]) > RUN_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += len(one[1])
    yield chunk


def _part(p: int, first: int, last: int, seen: int, size: int, *, shown: int = 0, markers: int = 0) -> Part:
    return Part(p=p, first=first, last=last, seen=seen, shown=shown, bytes=size, markers=markers)


def _with_shown(part: Part, shown: int) -> Part:
    return _part(part.p, part.first, part.last, part.seen, part.bytes, shown=shown, markers=part.markers)


def pack(runs: Iterable[Run]) -> Iterator[tuple[list[Part], list[orjson.Fragment]]]:
    """Runs grouped into frames of some 48 KiB: the parts joined per partition, and the previews."""
    group: list[Run] = []
    size = 0
    for run in runs:
        if group and size + run.size() > FRAME_BYTES:
            yield _joined(group)
            group, size = [], 0
        group.append(run)
        size += run.size()
    if group:
        yield _joined(group)


def _joined(runs: Sequence[Run]) -> tuple[list[Part], list[orjson.Fragment]]:
    parts: dict[int, Part] = {}
    for run in runs:
        old = parts.get(run.part.p)
        parts[run.part.p] = run.part if old is None else old.joined(run.part)
    return list(parts.values()), [orjson.Fragment(one) for run in runs for one in run.shown]
