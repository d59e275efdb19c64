"""What an admin may do to one sandbox: when it makes sense, what it will touch, what it did, in sentences.

The services do it, and write down by whom. Two admins may press at once: the second one is told that there
was nothing left to do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from sandboxes import services
from sandboxes.console import words
from sandboxes.lifecycle import ALIVE, LEAVING, UNBORN, State, may_move, stop_leads_to
from sandboxes.models import Sandbox

HOLD_MINUTES = (30, 60, 120, 240)
LONGEST_REASON = 120

Given = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing to do.

    label:    on the page; go: on the button that does it.
    refused:  why it makes no sense now, "" when it does.
    touches:  what it will do; do: does it and says what it did.
    asks_why: a reason may be given: its owner reads it, and it is kept with its events.
    destroys: something is gone afterwards, so the reference is typed and the password asked for again.
    """

    name: str
    label: str
    go: str
    title: str
    refused: Callable[[Sandbox], str]
    touches: Callable[[Sandbox], str]
    do: Callable[[Sandbox, User, Given], str]
    asks_why: bool = False
    destroys: bool = False


def _reason(given: Given) -> str:
    """What was typed, on one line, without what cannot be seen."""
    words = " ".join(given.get("reason", "").split())
    return "".join(letter for letter in words if letter.isprintable())[:LONGEST_REASON]


def _owner_of(sandbox: Sandbox) -> str:
    return sandbox.owner.shown_name if sandbox.owner else "Nobody"


def _did(sandbox: Sandbox, by: User, done: str) -> str:
    """The sentence of what this admin did, or that somebody else had done it before."""
    if sandbox.events.filter(by=by, generation=sandbox.generation).exists():
        return done
    return f"{sandbox.reference} was {words.kind_of_sandbox(sandbox).word} already; nothing was changed."


# -- stop --------------------------------------------------------------------------------------------------


def _no_stop(sandbox: Sandbox) -> str:
    if stop_leads_to(sandbox.now) is not sandbox.now:
        return ""
    return f"It is {words.kind_of_sandbox(sandbox).word}, so there is nothing to stop."


def _stop_touches(sandbox: Sandbox) -> str:
    if sandbox.now in UNBORN:
        return "Its start is cancelled and what is there of it removed. Nothing in it is anybody's yet."
    return (
        "Its programs end and its Kafka stops cleanly. Topics, records, offsets and files stay, and "
        f"{_owner_of(sandbox)} wakes it with one press."
    )


def _stop(sandbox: Sandbox, by: User, given: Given) -> str:
    led_to = services.stop_sandbox(sandbox, by=by, reason=_reason(given))
    done = "is being removed" if led_to is State.DELETING else "is going to sleep, with everything in it"
    return _did(sandbox, by, f"{sandbox.reference} {done}.")


# -- delete and start over ---------------------------------------------------------------------------------


def _no_delete(sandbox: Sandbox) -> str:
    if may_move(sandbox.now, State.DELETING):
        return ""
    return f"It is {words.kind_of_sandbox(sandbox).word} already."


def _delete_touches(sandbox: Sandbox) -> str:
    if sandbox.owner is None:
        return "It belongs to nobody. The pool makes another one if it is wanted."
    return (
        f"All of {_owner_of(sandbox)}'s topics, records, offsets and files in it are removed, and no copy is "
        "kept. Verdicts and marks stay. A new, empty sandbox comes with the next Start."
    )


def _delete(sandbox: Sandbox, by: User, given: Given) -> str:
    services.delete_sandbox(sandbox, by=by, reason=_reason(given))
    return _did(sandbox, by, f"{sandbox.reference} is being deleted, with everything in it.")


def _no_start_over(sandbox: Sandbox) -> str:
    if sandbox.owner is None:
        return "It belongs to nobody, so nobody can start it over. Delete it instead."
    return f"It is {words.kind_of_sandbox(sandbox).word} already." if sandbox.now in LEAVING else ""


def _start_over_touches(sandbox: Sandbox) -> str:
    return (
        f"All of {_owner_of(sandbox)}'s topics, records, offsets and files in it are removed, and no copy is "
        "kept. A new, empty sandbox starts as soon as this one is gone. Verdicts and marks stay."
    )


def _start_over(sandbox: Sandbox, by: User, given: Given) -> str:
    fresh = services.start_over(sandbox, by=by, reason=_reason(given))
    old, new = sandbox.reference, fresh.reference
    return f"{old} is being deleted, and {new} starts in its place for {_owner_of(fresh)}."


# -- waking, and keeping awake -----------------------------------------------------------------------------


def _no_wake(sandbox: Sandbox) -> str:
    if sandbox.now not in {State.SUSPENDED, State.FAILED}:
        return f"It is {words.kind_of_sandbox(sandbox).word}, so there is nothing to wake."
    return sandbox.failure_sentence if sandbox.failure_cause == "data_lost" else ""


def _wake(sandbox: Sandbox, by: User, given: Given) -> str:
    services.resume(sandbox, by=by)
    again = "starts again" if sandbox.now is State.QUEUED else "is waking"
    return _did(sandbox, by, f"{sandbox.reference} {again}.")


def _no_hold(sandbox: Sandbox) -> str:
    if sandbox.now in ALIVE:
        return ""
    return f"It is {words.kind_of_sandbox(sandbox).word}, so it cannot be kept awake. Wake it first."


def _extend(sandbox: Sandbox, by: User, given: Given) -> str:
    services.extend(sandbox, by=by)
    return f"{sandbox.reference} stays awake until {sandbox.expires_at:%H:%M} UTC at least."


def _hold(sandbox: Sandbox, by: User, given: Given) -> str:
    asked = given.get("minutes", "")
    minutes = (
        int(asked) if asked.isascii() and asked.isdigit() and int(asked) in HOLD_MINUTES else HOLD_MINUTES[0]
    )
    until = timezone.now() + timedelta(minutes=minutes)
    services.hold(sandbox, until=until, by=by, reason=_reason(given))
    held = sandbox.held_until or until
    capped = ", the longest there is" if held < until else ""
    return f"{sandbox.reference} is held awake until {held:%H:%M} UTC{capped}."


def _no_let_go(sandbox: Sandbox) -> str:
    held = sandbox.now in ALIVE and sandbox.held_until is not None and sandbox.held_until > timezone.now()
    return "" if held else "Nobody holds it awake, so there is nothing to let go."


def _let_go(sandbox: Sandbox, by: User, given: Given) -> str:
    services.hold(sandbox, until=timezone.now(), by=by, reason="let go")
    return f"{sandbox.reference} is not held any more; it sleeps when it is not used."


_ALL = (
    Act(
        name="extend", label="Keep awake", go="Keep it awake", title="Keep {} awake?",
        refused=_no_hold, do=_extend,
        touches=lambda sandbox: "It sleeps half an hour later, as if its owner had asked for more time.",
    ),
    Act(
        name="hold", label="Hold…", go="Hold it awake", title="Hold {} awake?",
        refused=_no_hold, do=_hold, asks_why=True,
        touches=lambda sandbox: "It does not sleep before then, used or not; its hard cap still holds.",
    ),
    Act(
        name="let-go", label="Let go", go="Let it go", title="Let {} go?",
        refused=_no_let_go, do=_let_go,
        touches=lambda sandbox: "Nothing changes at once: it sleeps when it is not used, like every other.",
    ),
    Act(
        name="wake", label="Wake", go="Wake it", title="Wake {}?",
        refused=_no_wake, do=_wake,
        touches=lambda sandbox: "It starts with its data, or anew where there is none. No program starts.",
    ),
    Act(
        name="stop", label="Stop…", go="Stop it", title="Stop {}?",
        refused=_no_stop, touches=_stop_touches, do=_stop, asks_why=True,
    ),
    Act(
        name="start-over", label="Start over…", go="Delete it and start a new one", title="Start {} over?",
        refused=_no_start_over, touches=_start_over_touches, do=_start_over, asks_why=True, destroys=True,
    ),
    Act(
        name="delete", label="Delete…", go="Delete it", title="Delete {}, with its data?",
        refused=_no_delete, touches=_delete_touches, do=_delete, asks_why=True, destroys=True,
    ),
)  # fmt: skip
ACTS = {act.name: act for act in _ALL}
# One press is enough for what harms nothing and can be taken back.
AT_ONCE = frozenset({"extend", "let-go", "wake"})


def possible(sandbox: Sandbox) -> tuple[Act, ...]:
    """What makes sense for it now, harmless things first."""
    return tuple(act for act in _ALL if not act.refused(sandbox))
