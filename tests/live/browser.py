"""A browser's side of the live socket in Python: the rules of tests/live/fixtures/README.md, and its picture.

Used to compare what a viewer holds after any history of frames with what a fresh snapshot says.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from live import deltas
from live.viewer import Viewer

Frame = dict[str, Any]


class Browser:
    """Feed it frames with `take`; it keeps state, offsets, counts, and what it would send.

    largest: bytes of the largest frame that was no snapshot, of those that it did `hear`.
    """

    def __init__(self) -> None:
        self.epoch = ""
        self.seq = 0
        self.state: dict[str, Any] = {}
        self.offsets: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.seen: dict[str, int] = defaultdict(int)
        self.shown: dict[str, int] = defaultdict(int)
        self.accounts: dict[tuple[str, int], int] = {}
        self.holes: list[tuple[str, int, int, int]] = []
        self.told = 0
        self.events: list[dict[str, Any]] = []
        self.control: list[list[Any]] = []
        self.lost: list[list[int]] = []
        self.sent: list[dict[str, Any]] = []
        self.snaps = 0
        self.largest = 0
        self.applied: list[tuple[str, int]] = []

    def hear(self, text: str) -> Frame:
        """One frame as it came."""
        frame: Frame = json.loads(text)
        if frame["lane"] != "snap":
            self.largest = max(self.largest, len(text.encode()))
        self.take(frame)
        return frame

    def take(self, frame: Frame) -> None:
        lane = frame["lane"]
        if lane == "snap":
            self._snap(frame)
        elif lane == "hello" and frame["resumed"]:
            self.epoch, self.seq = frame["e"], frame["s"]
        elif lane == "lost":
            self.lost.append([frame["from"], frame["to"]])
        elif lane == "control":
            self.control.append([frame["kind"], frame["data"]])
        elif lane in {"state", "events", "records", "skip"}:
            self._follow(frame)

    def _snap(self, frame: Frame) -> None:
        if frame["e"] != self.epoch:
            self.told = 0
        self.epoch, self.seq = frame["e"], frame["s"]
        self.snaps += 1
        self.state = json.loads(json.dumps({key: frame[key] for key in ("broker", "topics", "groups")}))
        self.offsets.clear()
        self.seen.clear()
        self.shown.clear()
        self.accounts.clear()
        for topic, records in frame["records"].items():
            self._keep(topic, records)

    def _follow(self, frame: Frame) -> None:
        if frame["e"] != self.epoch or frame["s"] <= self.seq:
            return
        if frame["from" if "from" in frame else "s"] > self.seq + 1:
            ask = {"op": "resume", "epoch": self.epoch, "seq": self.seq}
            if ask not in self.sent:
                self.sent.append(ask)
            return
        self.seq = frame["s"]
        self.applied.append((self.epoch, self.seq))
        if frame["lane"] == "state":
            self._patch(frame["set"])
        elif frame["lane"] == "events":
            self._tell(frame["events"])
        elif frame["lane"] == "records":
            self._records(frame)

    def _tell(self, events: list[Any]) -> None:
        fresh = [event for event in events if event.get("n", self.told + 1) > self.told]
        self.events += fresh
        self.told = max([self.told, *(event.get("n", 0) for event in fresh)])

    def _patch(self, patches: list[Any]) -> None:
        deltas.apply(self.state, patches)
        for path, value in patches:
            if value is None and path[0] == "topics" and len(path) == 2:
                self.offsets.pop(path[1], None)
                for key in [key for key in self.accounts if key[0] == path[1]]:
                    del self.accounts[key]

    def _records(self, frame: Frame) -> None:
        topic = frame["topic"]
        for part in frame["parts"]:
            key = (topic, part["p"])
            expected = self.accounts.get(key, part["first"])
            if part["first"] != expected:
                self.holes.append((topic, part["p"], expected, part["first"]))
            self.accounts[key] = part["last"] + 1
            self.seen[topic] += part["seen"]
            self.shown[topic] += part["shown"]
        self._keep(topic, frame["records"])

    def _keep(self, topic: str, records: list[Any]) -> None:
        for record in records:
            offsets = self.offsets[topic][record["p"]]
            if record["o"] in offsets:
                self.holes.append((topic, record["p"], record["o"], record["o"]))
            offsets.append(record["o"])


async def read(viewer: Viewer, browser: Browser) -> int:
    """Hand a viewer's texts to a browser until the viewer is closed; the close code."""
    while (text := await viewer.outgoing.next()) is not None:
        for line in text.split("\n"):
            browser.hear(line)
        viewer.acknowledge(browser.seq)
    return viewer.close_code


def drain(viewer: Viewer, browser: Browser, *, acknowledging: bool = True) -> list[Frame]:
    """What is queued for a viewer at this moment, handed to a browser."""
    found = [browser.hear(text) for text in viewer.outgoing.take_all()]
    if acknowledging:
        viewer.acknowledge(browser.seq)
    return found
