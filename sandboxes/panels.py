"""What the sandbox panel says in each state: the words and numbers of the template, and nothing of HTTP."""

import math
from datetime import datetime
from typing import Any

from sandboxes import estimates, expiry, faults, placement, pool, retries, selectors
from sandboxes.lifecycle import ALIVE, PASSING, State
from sandboxes.line import Line
from sandboxes.looks import Look
from sandboxes.models import Sandbox

# The state's mark in the header (a shape, not only a colour) and its word.
_CHIPS = {
    State.QUEUED: ("wait", "queued"),
    State.PROVISIONING: ("wait", "starting"),
    State.BINDING: ("wait", "starting"),
    State.READY: ("ok", "ready"),
    State.DEGRADED: ("warn", "broker down"),
    State.SUSPENDING: ("wait", "going to sleep"),
    State.SUSPENDED: ("none", "asleep"),
    State.RESUMING: ("wait", "waking"),
    State.FAILED: ("bad", "failed"),
}
_FAULTS = {
    "broker_stop": "The broker is stopped",
    "broker_kill": "The broker was killed",
    "latency": "The network is slow",
    "cut": "The network is cut",
    "drop_responses": "Answers are lost",
}
WARN_MINUTES = int(expiry.WARN.total_seconds() // 60)
_DRAWN = 12
# How often a page asks whether new ones are started again, in seconds.
_CLOSED_EVERY_S = 20
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh"}
_VIEWS = {
    State.QUEUED: "queue",
    State.PROVISIONING: "starting",
    State.BINDING: "starting",
    State.RESUMING: "starting",
    State.READY: "ready",
    State.DEGRADED: "ready",
    State.SUSPENDING: "suspended",
    State.SUSPENDED: "suspended",
    State.FAILED: "failed",
}


def context(look: Look) -> dict[str, Any]:
    """Everything the panel's template shows; asks the database a fixed number of times."""
    sandbox, now = look.sandbox, look.at
    if sandbox is None:
        none = {"sandbox": None, "view": "none", "chip": ("none", "not started"), "staff": look.staff}
        return none | {"tier": look.tier} | _offer()
    left = minutes_left(sandbox, now)
    shown: dict[str, Any] = {
        "sandbox": sandbox,
        "staff": look.staff,
        "view": _VIEWS.get(sandbox.now, "none"),
        "chip": _CHIPS.get(sandbox.now, ("wait", sandbox.state)),
        "every_s": _every_s(sandbox.now),
        "left": left,
        "soon": left is not None and left <= WARN_MINUTES and sandbox.now in ALIVE,
        "tier": look.tier,
    }
    return shown | _more(look, sandbox, shown["view"])


def _offer() -> dict[str, Any]:
    """What pressing Start would bring: a warm one if there is any, or nothing while all is closed."""
    warm = pool.has_warm(pool.PROFILES[0])
    if not warm and placement.is_closed():
        return {"closed": placement.CLOSED, "every_s": _CLOSED_EVERY_S}
    measured = estimates.known(pool.PROFILES[0])
    return {"warm": warm, "estimate": measured.warm if warm else measured.start}


def _more(look: Look, sandbox: Sandbox, view: str) -> dict[str, Any]:
    if view in {"queue", "starting"}:
        return _progress(look, sandbox)
    if view == "ready":
        held_down = any(record.kind in faults.BROKER_KINDS for record in look.faults)
        return {"faults": _faults(look), "held_down": held_down, "capped": _is_capped(sandbox)}
    if view == "suspended":
        return {"estimate": estimates.known(sandbox.profile).wake}
    if view == "failed":
        begun = sandbox.begun_at is not None
        return {"stages": selectors.stage_rows(sandbox) if begun else (), "tries": len(retries.PAUSES)}
    return {}


def _faults(look: Look) -> list[dict[str, Any]]:
    """What is broken on purpose now; own: by the student, who may undo it."""
    return [
        {
            "kind": record.kind,
            "word": _FAULTS.get(record.kind, record.kind),
            "deadline": record.deadline,
            "left_s": max(0, math.ceil((record.deadline - look.at).total_seconds())),
            "own": record.is_owners,
        }
        for record in look.faults
    ]


def _is_capped(sandbox: Sandbox) -> bool:
    """Asking for more time would bring none."""
    return sandbox.expires_at is not None and sandbox.expires_at >= expiry.hard_cap(sandbox)


def _progress(look: Look, sandbox: Sandbox) -> dict[str, Any]:
    waking, measured = sandbox.now is State.RESUMING, estimates.known(sandbox.profile)
    shown: dict[str, Any] = {
        "waking": waking,
        "estimate": measured.wake if waking else measured.start,
        "elapsed_s": max(0, round((look.at - (sandbox.begun_at or sandbox.queued_at)).total_seconds())),
        "stages": selectors.stage_rows(sandbox),
    }
    if look.line is not None:
        return shown | _standing(sandbox, look.line)
    late = shown["elapsed_s"] > shown["estimate"].p90_s + 1
    wait_s = max(1, math.ceil(estimates.wait_s(sandbox)))
    return shown | {"late": late, "wait_s": wait_s, "warm": sandbox.now is State.BINDING and sandbox.frozen}


def _standing(sandbox: Sandbox, line: Line) -> dict[str, Any]:
    """The line somebody stands in: at most a dozen places of it are drawn, with theirs among them."""
    place, after = line.place_of(sandbox), line.behind(sandbox)
    before = place - 1
    return {
        "wait_s": max(1, math.ceil(line.wait_s(sandbox))),
        "place": place,
        "ordinal": _ORDINALS.get(place, f"number {place}"),
        "before": before,
        "after": after,
        "drawn_before": range(min(before, _DRAWN)),
        "drawn_after": range(min(after, max(0, _DRAWN - before))),
        "places": line.places,
    }


def _every_s(state: State) -> int:
    """How often a page that hears no events asks again, in seconds."""
    if state in PASSING:
        return 2
    return 10 if state in {State.DEGRADED, State.FAILED} else 60


def minutes_left(sandbox: Sandbox, now: datetime) -> int | None:
    """Whole minutes until an unused sandbox goes to sleep; None when it does not run."""
    if sandbox.expires_at is None:
        return None
    return max(0, math.ceil((sandbox.expires_at - now).total_seconds() / 60))
