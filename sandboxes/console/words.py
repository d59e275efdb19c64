"""The words and shapes of the console: what a sandbox's state is called, and how long ago is said."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from sandboxes.lifecycle import State
from sandboxes.models import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a sandbox is to its admin: its state, and whether it is frozen where that tells apart.

    name: in addresses; mark: the shape beside the word (static/css/base.css); cell: the one on the map.
    """

    name: str
    word: str
    mark: str
    states: tuple[State, ...]
    frozen: bool | None = None

    def rows(self) -> Q:
        """The rows of this kind."""
        chosen = Q(state__in=self.states)
        return chosen if self.frozen is None else chosen & Q(frozen=self.frozen)

    def has(self, state: str, *, frozen: bool) -> bool:
        return state in self.states and self.frozen in {None, frozen}


KINDS = (
    Kind(name="in-use", word="in use", mark="ok", states=(State.READY,), frozen=False),
    Kind(name="frozen", word="frozen", mark="none", states=(State.READY,), frozen=True),
    Kind(name="warm", word="warm", mark="warm", states=(State.WARM,)),
    Kind(name="queued", word="queued", mark="wait", states=(State.QUEUED,)),
    Kind(name="starting", word="starting", mark="wait", states=(State.PROVISIONING, State.BINDING)),
    Kind(name="waking", word="waking", mark="wait", states=(State.RESUMING,)),
    Kind(name="going-to-sleep", word="going to sleep", mark="wait", states=(State.SUSPENDING,)),
    Kind(name="asleep", word="asleep", mark="asleep", states=(State.SUSPENDED,)),
    Kind(name="degraded", word="degraded", mark="warn", states=(State.DEGRADED,)),
    Kind(name="failed", word="failed", mark="bad", states=(State.FAILED,)),
    Kind(name="deleting", word="being deleted", mark="ours", states=(State.DELETING,)),
    Kind(name="quarantined", word="quarantined", mark="held", states=(State.QUARANTINED,)),
    Kind(name="deleted", word="deleted", mark="gone", states=(State.DELETED,)),
)
USES = {
    "start": "it was started",
    "wake": "it was woken",
    "file": "a file was changed",
    "program": "a program ran",
    "check": "a task was checked",
    "fault": "a fault was put in",
    "extend": "more time was asked for",
}
# The acts that begin a time of another kind while the state stays READY.
TURNS = ("freeze", "thaw")
NOTHING = "\N{EN DASH}"
NAMED = {kind.name: kind for kind in KINDS}


def kind_of(state: str, *, frozen: bool) -> Kind:
    """What to call a row, or what an event tells of; what only an older release knew keeps its name."""
    known = (kind for kind in KINDS if kind.has(state, frozen=frozen))
    return next(known, Kind(name="former", word=state or "not there", mark="none", states=()))


def kind_of_sandbox(sandbox: Sandbox) -> Kind:
    return kind_of(sandbox.state, frozen=sandbox.frozen)


def kind_since(sandbox: Sandbox, turned_at: datetime | None) -> datetime:
    """Since when it is of its kind; turned_at: when it was last frozen or thawed, as far as is known."""
    if sandbox.now is not State.READY or turned_at is None:
        return sandbox.state_since
    return max(sandbox.state_since, turned_at)


def lasting(seconds: float) -> str:
    """`40 s`, `9 min`, `3 h`, `2 d`: one number, for columns that are read down."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 36 * 3600:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86400)} d"


def took(seconds: float) -> str:
    """A measured time: to the hundredth below ten seconds, where it matters."""
    return f"{seconds:.2f} s" if seconds < 10 else lasting(seconds)


def since(then: datetime | None, now: datetime) -> str:
    """How long ago; an en dash for never."""
    if then is None:
        return NOTHING
    return lasting((now - then).total_seconds())


def size(count: int) -> str:
    """`40 KiB`, `134 MiB`, `10.6 GiB`."""
    mib = count / 2**20
    if mib < 1:
        return f"{count / 1024:,.0f} KiB"
    return f"{mib:,.0f} MiB" if mib < 10_000 else f"{mib / 1024:,.1f} GiB"


def cores(share: float | None) -> str:
    """How many cores are kept busy, to the hundredth; an en dash while it is not known."""
    return NOTHING if share is None else f"{share:.2f}"


def for_staff(sentence: str) -> str:
    """A refusal is written for the owner; an admin means somebody else's sandbox."""
    said = sentence.replace("Your sandbox", "This sandbox").replace("your sandbox", "this sandbox")
    return said.removesuffix(" Press Start.")
