"""Labs for tests, made in memory."""

from __future__ import annotations

from typing import Any

from lessons.checks import AttemptFacts
from lessons.judges import LabCode, load_code
from lessons.labs import Lab

CHECKS = """
from lessons.checks import Evidence, Fail, Pass, Waiting

def first(view, attempt):
    mine = [r for r in view.records("orders", since=attempt.horizon) if attempt.nonce in r.text]
    if any("bad" in r.text for r in mine):
        row = Evidence(topic="orders", partition=0, offset=0)
        return Fail("BAD_RECORD", "One is bad.", evidence=[row], look="record")
    odd = [r for r in mine if "quote" in r.text]
    if odd:
        return Fail("BAD_RECORD", "One is odd.", evidence=[Evidence(topic="orders", note=odd[0].text)])
    return Pass("All there.") if len(mine) >= 3 else Waiting(done=len(mine), of=3)

def second(view, attempt):
    return Pass() if view.file("lab/done.txt") else Waiting("Write done.txt.")

def breaks(view, attempt):
    raise KeyError("ours")

def blames(view, attempt):
    return Waiting("main.py did not end well. Read its last lines, mend it and run it again.")

def says_nothing(view, attempt):
    return None
"""


def lab(**changes: Any) -> Lab:
    """A lab of two tasks: three records, and then a file."""
    data: dict[str, Any] = {
        "id": "1.1",
        "slug": "lab",
        "title": "A lab",
        "minutes": 5,
        "points": 2,
        "owns": {"topics": ["orders"]},
        "tasks": [
            {"id": "first", "title": "Three records", "check": "first"},
            {"id": "second", "title": "A file", "check": "second", "requires": ["first"]},
        ],
        "hints": {"BAD_RECORD": ["one", "two", "three"]},
    }
    return Lab.model_validate({**data, **changes})


def code(spec: Lab | None = None, *, workload: str = "") -> LabCode:
    return load_code(spec or lab(), checks=CHECKS, workload=workload, name="test")


def facts(**changes: Any) -> AttemptFacts:
    values: dict[str, Any] = {
        "attempt_id": "a", "lab_id": "1.1", "nonce": "n0nce", "seed": 1, "activated_at": 990.0, "horizon": {},
    }  # fmt: skip
    return AttemptFacts(**{**values, **changes})
