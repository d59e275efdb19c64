"""The number a question asks for, read from the student's own sandbox."""

from __future__ import annotations

from typing import Any

from lessons.checks import SandboxView, lag
from lessons.errors import NotNow
from lessons.quizzes import Read


def read_number(view: SandboxView, read: Read) -> float:
    """The number a question asks for; NotNow when the thing it is read from is not there."""
    offsets = {o.partition: o for o in view.offsets(read.topic or "")}
    if read.topic and not offsets:
        raise NotNow(f"Your sandbox has no topic {read.topic} yet, so there is nothing to read.")
    if read.partition is not None:
        offsets = {p: o for p, o in offsets.items() if p == read.partition}
    if read.what in ("lag", "members", "committed"):
        return _group_number(view, read, offsets)
    return {
        "end": sum(o.end for o in offsets.values()),
        "start": sum(o.start for o in offsets.values()),
        "partitions": len(offsets),
        "records": sum(o.end - o.start for o in offsets.values()),
    }[read.what]


def _group_number(view: SandboxView, read: Read, offsets: dict[int, Any]) -> float:
    group = view.group(read.group or "")
    if group is None:
        raise NotNow(f"Your sandbox has no group {read.group} yet, so there is nothing to read.")
    if read.what == "members":
        return len(group.members)
    committed = group.committed_to(read.topic or "")
    if read.what == "committed":
        return sum(offset for partition, offset in committed.items() if partition in offsets)
    return sum(behind or 0 for behind in lag(offsets.values(), committed).values())
