"""What Lighthouse says of the pages, cold, on the slow phone that it emulates."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figures import Figure, failed, middle
from tests.bench.latency import LESSON
from tests.bench.lighthouse.browser import Audit, NoAuditError, Seen, auditing
from tests.bench.lighthouse.package import NotInstalledError
from tests.bench.parcels import late
from tests.bench.proofs import Proof
from tests.bench.rounds import is_quick, tell
from tests.bench.stage import Stage

# One look takes ten seconds. The page that the goal is about gets five; another gets two more if one look
# did not find it good enough, since a busy machine alone can do that.
ROUNDS_OF_LESSON, MORE = 5, 2
GOOD = 95
_DELAY_MS = 1_000.0

# what, address, who looks
PAGES = (
    ("lesson page", LESSON, "edsger"),
    ("home", "/", "edsger"),
    ("search", "/search/?q=offset", "edsger"),
    ("board", "/board/", "edsger"),
    ("class", "/class/", "grace"),
    ("console", "/console/", "admin"),
    ("welcome", "/", ""),
    ("sign-in", "/accounts/login/", ""),
)


def measure(stage: Stage) -> Iterator[Figure]:
    try:
        for who in ("", "edsger", "grace", "admin"):
            with auditing(stage.site.address, who, _password(stage, who)) as audit:
                for what, address, whom in PAGES:
                    if whom == who:
                        yield from _figures(what, address, audit)
    except NotInstalledError as error:
        tell(str(error))


def _password(stage: Stage, who: str) -> str:
    return stage.site.admin_password if who == "admin" else f"millrace-{who}"


def _figures(what: str, address: str, audit: Audit) -> Iterator[Figure]:
    page = audit.leads_to(address)
    if not page:
        tell(f"{address} is not there; not audited")
        return
    try:
        seen = _looks(audit, page, is_lesson=address == LESSON)
    except NoAuditError as error:
        yield failed(f"{what}, Lighthouse", error)
        return
    scores = {name: middle(one.scores[name] for one in seen) for name in seen[0].scores}
    worst = min(min(one.scores.values()) for one in seen)
    yield Figure(
        bench=f"{what}, Lighthouse, least of its categories",
        value=min(scores.values()),
        worst=worst,
        unit="",
        goal=f">= {GOOD}",
        note=", ".join(f"{name} {score:.0f}" for name, score in scores.items()) + f"; {_times(seen)}",
    )


def _looks(audit: Audit, address: str, *, is_lesson: bool) -> list[Seen]:
    seen = [_look(audit, address)]
    if not is_quick() and (is_lesson or min(seen[0].scores.values()) < GOOD):
        more = ROUNDS_OF_LESSON - 1 if is_lesson else MORE
        seen += [_look(audit, address) for _ in range(more)]
    return seen


def _look(audit: Audit, address: str) -> Seen:
    """Lighthouse gives up now and then when its browser was slow to answer; it is asked once more."""
    try:
        return audit.look(address)
    except NoAuditError as error:
        tell(f"Lighthouse is asked again: {error}")
        return audit.look(address)


def _times(seen: list[Seen]) -> str:
    lcp, tbt = middle(one.lcp_ms for one in seen), middle(one.tbt_ms for one in seen)
    return f"LCP {lcp / 1000:.1f} s, TBT {tbt:.0f} ms, CLS {middle(one.cls for one in seen):.3f}"


def prove(stage: Stage) -> Iterator[Proof]:
    """A page that comes a second later, and one with a fault that everybody must see."""
    try:
        with late(0) as plain, late(_DELAY_MS) as slow, auditing(plain, "", "") as audit:
            first, then = audit.look("/"), audit.look(f"{slow}/")
            poor = audit.look("/poor")
    except NotInstalledError as error:
        tell(str(error))
        return
    yield Proof(
        what="Lighthouse: a page that comes later",
        put_in=_DELAY_MS,
        reported=then.lcp_ms - first.lcp_ms,
        unit="ms",
    )
    yield Proof(
        what="Lighthouse: categories that a page without language, title or labels falls in",
        put_in=2,
        reported=sum(poor.scores[name] < GOOD <= first.scores[name] for name in ("accessibility", "seo")),
        unit="",
        within=0,
    )
