"""From an acknowledgement to the frame at a websocket, and to the picture, over a raw consumer."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from playwright.sync_api import Page, sync_playwright

from tests.bench.figures import Figure, middle, percentile
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.slowway import slow_way
from tests.bench.sockets import Closed, LiveSocket
from tests.bench.stage import Stage, Watched
from tests.bench.traffic import Place, Reader, Traffic, make_topic
from tests.browser.people import sign_in
from tests.browser.site import CHROMIUM

TOPIC = "bench-latency"
LESSON = "/lessons/first-producer/"
ROUNDS = 3
ROUND_S = 8.0
_SETTLE_S = 1.0
# Notes when a record was first in the model while the lanes were drawn: at the end of that animation frame.
_STAMP = """(holdMs) => {
  const waiting = [], painted = {};
  let drew = false;
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    if (this.canvas.closest("[data-draw=lanes]")) drew = true;
    return clear.apply(this, box);
  };
  const frame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (draw) => frame((t) => {
    drew = false;
    const here = waiting.length;
    draw(t);
    if (!drew) return;
    const now = performance.timeOrigin + performance.now();
    for (const place of waiting.splice(0, here)) painted[place] ??= now;
  });
  const { set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
  Object.defineProperty(WebSocket.prototype, "onmessage", { set(listener) {
    const heard = (event) => {
      listener.call(this, event);
      for (const line of event.data.split("\\n")) {
        if (!line.startsWith('{"lane":"records"')) continue;
        for (const { p, o } of JSON.parse(line).records) waiting.push(`${p}:${o}`);
      }
    };
    set.call(this, (event) => (holdMs ? setTimeout(heard, holdMs, event) : heard(event)));
  } });
  window.takePainted = () => {
    const all = { ...painted };
    for (const place in painted) delete painted[place];
    return all;
  };
}"""


@dataclass(slots=True)
class Times:
    """Of one round: milliseconds from the acknowledgement to the raw consumer, the frame and the picture."""

    raw: list[float] = field(default_factory=list)
    frame: list[float] = field(default_factory=list)
    painted: list[float] = field(default_factory=list)
    frame_added: list[float] = field(default_factory=list)
    painted_added: list[float] = field(default_factory=list)
    sent: int = 0


def measure(stage: Stage) -> Iterator[Figure]:
    with _page(stage) as page:
        rounds = measured("latency", ROUNDS, lambda _: _round(stage.watched, page), spare=1)
    raw = middle(middle(times.raw) for times in rounds)
    shown = min(len(times.painted) / times.sent for times in rounds)
    for name, goals in (("frame", ("", "")), ("painted", ("<= 45", "<= 100"))):
        added = [getattr(times, f"{name}_added") for times in rounds]
        total = middle(middle(getattr(times, name)) for times in rounds)
        for share, goal in zip((0.5, 0.99), goals, strict=True):
            found = [percentile(one, share) for one in added]
            yield Figure(
                bench=f"acknowledged -> {name}, added over raw, p{100 * share:.0f}",
                value=middle(found),
                worst=max(found),
                unit="ms",
                goal=goal,
                peer=middle(percentile(times.raw, share) for times in rounds),
                note=f"total p50 {total:.1f} ms, raw {raw:.1f} ms, {100 * shown:.1f} % of records painted",
            )


@contextlib.contextmanager
def _page(stage: Stage, *, hold_ms: int = 0) -> Iterator[Page]:
    """The lesson with the board on our topic, in front."""
    watched = stage.watched
    with contextlib.suppress(Exception):  # it is there already when a second page is opened
        make_topic(watched.endpoint, TOPIC)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=stage.site.address, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        sign_in(page, "ada")
        page.add_init_script(f"({_STAMP})({hold_ms})")
        page.goto(LESSON)
        page.locator(f"#topic option[value={TOPIC}]").wait_for(state="attached")
        page.locator("#topic").select_option(TOPIC)
        page.wait_for_timeout(1000)
        try:
            yield page
        finally:
            browser.close()


def _round(watched: Watched, page: Page, *, through: int = 0) -> Times:
    with (
        Ear(watched, TOPIC, through=through) as ear,
        Reader(watched.endpoint, TOPIC) as reader,
        Traffic(watched.endpoint, TOPIC) as traffic,
    ):
        page.wait_for_timeout(1000 * (_SETTLE_S + ROUND_S))
    page.wait_for_timeout(500)
    drawn: dict[str, float] = page.evaluate("takePainted()")
    painted = {_place(name): ms / 1000 for name, ms in drawn.items()}
    return _times(traffic.acked, reader.seen, ear.seen, painted)


def _place(name: str) -> Place:
    partition, _, offset = name.partition(":")
    return int(partition), int(offset)


def _times(
    acked: Mapping[Place, float],
    raw: Mapping[Place, float],
    frame: Mapping[Place, float],
    painted: Mapping[Place, float],
) -> Times:
    """Of the records after the settling: only those that the raw consumer saw can be compared."""
    since = min(acked.values()) + _SETTLE_S
    judged = [place for place, at in acked.items() if at >= since and place in raw]
    times = Times(sent=len(judged))
    for place in judged:
        times.raw.append(1000 * (raw[place] - acked[place]))
        for seen, all_of, added in (
            (frame, times.frame, times.frame_added),
            (painted, times.painted, times.painted_added),
        ):
            if place in seen:
                all_of.append(1000 * (seen[place] - acked[place]))
                added.append(1000 * (seen[place] - raw[place]))
    return times


class Ear:
    """A websocket in a thread. seen: place of each record -> when its frame was here, epoch seconds."""

    def __init__(self, watched: Watched, topic: str, *, through: int = 0) -> None:
        self.seen: dict[Place, float] = {}
        student = watched.student
        self._socket = LiveSocket(student.address, watched.path, student.cookie_header, through=through)
        self._socket.say(op="hello", view=[topic], resume=None)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Ear:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._socket.cut()

    def _listen(self) -> None:
        acked_at, seq = time.monotonic(), 0
        with contextlib.suppress(Closed):
            while not self._stopped.is_set():
                text = self._socket.hear(0.2)
                at = time.time()
                if text is None:
                    continue
                frame = json.loads(text)
                seq = frame.get("s", seq)
                if frame["lane"] == "records":
                    self.seen.update(((one["p"], one["o"]), at) for one in frame["records"])
                if time.monotonic() - acked_at > 1:
                    self._socket.say(op="ack", seq=seq)
                    acked_at = time.monotonic()


def prove(stage: Stage) -> Iterator[Proof]:
    """A way to the site that takes longer, and a page that hears later."""
    hold_ms = 120
    with _page(stage) as page:
        plain = _round(stage.watched, page)
        with slow_way(stage.site.address, hold_ms / 1000) as port:
            slow = _round(stage.watched, page, through=port)
    with _page(stage, hold_ms=hold_ms) as page:
        late = _round(stage.watched, page)
    yield Proof(
        what="latency: a slow way to the websocket",
        put_in=hold_ms,
        unit="ms",
        reported=middle(slow.frame_added) - middle(plain.frame_added),
    )
    yield Proof(
        what="latency: a page that hears late",
        put_in=hold_ms,
        unit="ms",
        reported=middle(late.painted_added) - middle(plain.painted_added),
    )
