"""What kept the main thread of a page busy, task by task: on the clock, and by its own CPU time.

A task of 20 ms takes 80 on the clock when four others want the core; what a page can do about it shows in the
CPU time alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

LONG_MS = 50
_TASK, _THREAD = "ThreadControllerImpl::RunTask", "thread_name"
_CATEGORIES = ["toplevel"]
_POLL_MS = 100


@dataclass(slots=True)
class Tasks:
    """Milliseconds of each, filled when the tracing ends."""

    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def long(self) -> int:
        return sum(ms > LONG_MS for ms in self.clock)


@contextlib.contextmanager
def traced(page: Page) -> Iterator[Tasks]:
    """Tasks of the browser's pages while it is entered (Chrome's trace event format)."""
    browser = page.context.browser
    assert browser
    devtools = browser.new_browser_cdp_session()
    tasks, events, ended = Tasks(), list[dict[str, Any]](), list[bool]()
    devtools.on("Tracing.dataCollected", lambda told: events.extend(filter(_is_wanted, told["value"])))
    devtools.on("Tracing.tracingComplete", lambda _: ended.append(True))
    devtools.send("Tracing.start", {"traceConfig": {"includedCategories": _CATEGORIES}})
    yield tasks
    devtools.send("Tracing.end")
    while not ended:
        page.wait_for_timeout(_POLL_MS)
    for event in _of_pages(events):
        tasks.clock.append(event["dur"] / 1000)
        tasks.cpu.append(event.get("tdur", 0) / 1000)


def _is_wanted(event: dict[str, Any]) -> bool:
    return bool(event["name"] == _THREAD or (event["name"] == _TASK and event["ph"] == "X"))


def _of_pages(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == _THREAD and event["args"]["name"] == "CrRendererMain"
    }
    return (event for event in events if event["name"] == _TASK and (event["pid"], event["tid"]) in mains)
