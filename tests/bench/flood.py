"""5,000 records a second for a minute on the board: does the page stay quick, small and exact?"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, WebSocket, sync_playwright

from tests.bench import rounds
from tests.bench.figures import Figure
from tests.bench.longtasks import LONG_MS, Tasks, traced
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage
from tests.bench.traffic import Traffic, make_topic
from tests.browser.people import sign_in
from tests.browser.site import CHROMIUM
from tests.live.browser import Browser

TOPIC = "bench-flood"
LESSON = "/lessons/first-producer/"
RATE = 5000.0
FLOOD_S, QUICK_S = 60.0, 10.0
# The page fills its buffers first; what grows after that would grow for ever.
_WARM_S = 5.0
_SETTLE_MS = 3000
_STEP_MS = 500
_HELD = re.compile(r"([\d,]+) records?")
_WATCH = """() => {
  window.framesDrawn = 0;
  const count = () => { window.framesDrawn += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""
_HOLD_UP = """ms => setTimeout(() => {
  const until = performance.now() + ms;
  while (performance.now() < until);
})"""
# Work, not time: so that its CPU is the same however busy the machine is.
_BURN = """turns => setTimeout(() => {
  let sum = 0;
  for (let turn = 0; turn < turns; turn += 1) sum += Math.sin(turn);
  window.burnt = sum;
})"""
_TURNS = 3_000_000
_ROWS = "document.querySelectorAll('#live li, #live tr').length"


@dataclass(slots=True, kw_only=True)
class Seen:
    """What one flood did to the page."""

    produced: int
    counted: int
    shown: int
    holes: int
    said: int
    tasks: Tasks
    frames_per_s: float
    heap_mb: float
    rows: int


def measure(stage: Stage) -> Iterator[Figure]:
    seconds = QUICK_S if rounds.is_quick() else FLOOD_S
    heard = Browser()
    with _page(stage, heard) as page:
        (seen,) = measured("flood", 1, lambda _: _flood(stage, page, heard, seconds), spare=1)
    note = f"{seen.produced} records in {seconds:.0f} s, {seen.shown} shown, the board says {seen.said}"
    off = abs(seen.produced - seen.counted) + abs(seen.produced - seen.said) + seen.holes
    yield Figure(
        bench="flood, shown + skipped beside produced", value=off, unit="records off", goal="= 0", note=note
    )
    yield from _tasks(seen)
    yield Figure(bench="flood, heap of the page", value=seen.heap_mb, unit="MB more", goal="<= 10")
    yield Figure(bench="flood, rows in the document", value=seen.rows, unit="rows", goal="<= 200")


def _tasks(seen: Seen) -> Iterator[Figure]:
    longest = max(seen.tasks.clock)
    for name, value in (("", longest), (", its CPU", max(seen.tasks.cpu))):
        yield Figure(
            bench=f"flood, longest task of the page{name}",
            value=value,
            unit="ms",
            goal=f"<= {LONG_MS}",
            note=f"{seen.tasks.long} of {len(seen.tasks.clock)} were longer on the clock; "
            f"{seen.frames_per_s:.0f} frames/s, without a graphics card",
        )


@contextlib.contextmanager
def _page(stage: Stage, heard: Browser) -> Iterator[Page]:
    """The lesson with the board on our topic; what its socket hears is followed from outside."""
    watched = stage.watched
    with contextlib.suppress(Exception):  # it is there already when a second page is opened
        make_topic(watched.endpoint, TOPIC)

    def follow(socket: WebSocket) -> None:
        if "/ws/live/" in socket.url:
            socket.on("framereceived", lambda text: _take(heard, str(text)))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(
            base_url=stage.site.address, viewport={"width": 1280, "height": 900}
        ).new_page()
        sign_in(page, "ada")
        page.on("websocket", follow)
        page.goto(LESSON)
        page.locator(f"#topic option[value={TOPIC}]").wait_for(state="attached")
        page.locator("#topic").select_option(TOPIC)
        page.wait_for_timeout(_SETTLE_MS)
        page.evaluate(_WATCH)
        try:
            yield page
        finally:
            browser.close()


def _take(heard: Browser, text: str) -> None:
    for line in text.split("\n"):
        frame: dict[str, Any] = json.loads(line)
        if frame["lane"] == "records":
            frame["records"] = []  # their places are in the account; thousands of them would slow us down
        heard.take(frame)


def _flood(stage: Stage, page: Page, heard: Browser, seconds: float) -> Seen:
    devtools = page.context.new_cdp_session(page)
    rows = 0
    before, shown_before, held = heard.seen[TOPIC], heard.shown[TOPIC], _said(page)
    with Traffic(stage.watched.endpoint, TOPIC, rate=RATE, linger_ms=5) as traffic:
        page.wait_for_timeout(1000 * _WARM_S)
        heap = _heap_mb(devtools)
        page.wait_for_timeout(_STEP_MS)  # to collect garbage was a long task, and not the page's own
        with traced(page) as tasks:
            drawn, began = page.evaluate("framesDrawn"), time.monotonic()
            while time.monotonic() - began < seconds - _WARM_S:
                page.wait_for_timeout(_STEP_MS)
                rows = max(rows, page.evaluate(_ROWS))
            drawn, took = page.evaluate("framesDrawn") - drawn, time.monotonic() - began
    page.wait_for_timeout(_SETTLE_MS)
    return Seen(
        produced=len(traffic.acked),
        counted=heard.seen[TOPIC] - before,
        shown=heard.shown[TOPIC] - shown_before,
        holes=len(heard.holes),
        said=_said(page) - held,
        tasks=tasks,
        frames_per_s=drawn / took,
        heap_mb=_heap_mb(devtools) - heap,
        rows=rows,
    )


def _said(page: Page) -> int:
    """How many records the board says the topic holds."""
    found = _HELD.search(page.locator("#topic-fact").inner_text())
    return int(found.group(1).replace(",", "")) if found else 0


def _heap_mb(devtools: Any) -> float:
    devtools.send("HeapProfiler.collectGarbage")
    return float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


class _Forgetful(Browser):
    """Does not hear what the first frame of records says."""

    kept_back = 0

    def take(self, frame: dict[str, Any]) -> None:
        if frame["lane"] == "records" and not self.kept_back:
            self.kept_back = sum(part["seen"] for part in frame["parts"])
            frame = frame | {"parts": []}
        super().take(frame)


def prove(stage: Stage) -> Iterator[Proof]:
    """A page that is held up on purpose, that keeps what it should not, and a count that is off."""
    task_ms, leak_mb = 150.0, 20.0
    heard = _Forgetful()
    with _page(stage, heard) as page:
        with traced(page) as tasks:
            page.evaluate(_HOLD_UP, task_ms)
            page.wait_for_timeout(_STEP_MS)
        with traced(page) as busy:
            page.evaluate(_BURN, _TURNS)
            page.wait_for_timeout(_STEP_MS)
        with traced(page) as busier:
            page.evaluate(_BURN, 3 * _TURNS)
            page.wait_for_timeout(3 * _STEP_MS)
        devtools = page.context.new_cdp_session(page)
        heap = _heap_mb(devtools)
        page.evaluate(
            "n => { window.kept = Array.from({ length: n }, (_, i) => ({ i })); }", leak_mb * 1e6 / 24
        )
        grown = _heap_mb(devtools) - heap
        with Traffic(stage.watched.endpoint, TOPIC, rate=200) as traffic:
            page.wait_for_timeout(1500)
        page.wait_for_timeout(_SETTLE_MS)
    yield Proof(what="flood: a long task", put_in=task_ms, reported=max(tasks.clock), unit="ms", within=0.5)
    yield Proof(
        what="flood: the CPU of a task with three times the work",
        put_in=3,
        reported=max(busier.cpu) / max(busy.cpu),
        unit="x",
    )
    yield Proof(what="flood: objects that are kept", put_in=leak_mb, reported=grown, unit="MB", within=0.5)
    off = len(traffic.acked) - heard.seen[TOPIC]
    yield Proof(
        what="flood: records not told of", put_in=heard.kept_back, reported=off, unit="records", within=0
    )
