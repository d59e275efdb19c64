"""The lesson page: Django's work for it, and what a reader without a sandbox downloads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import CDPSession, sync_playwright

from tests.bench import processes
from tests.bench.crowd import ROOT
from tests.bench.figures import Figure, middle
from tests.bench.latency import LESSON
from tests.bench.parcels import PARCELS, parcels
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage, Student
from tests.browser.people import sign_in
from tests.browser.site import CHROMIUM

ROUNDS = 3
_GETS = 60
_LEFT_OUT = (".woff2", "editor.bundle")
# Longer by half than the other, with twice its questions.
_LONGER = "/lessons/mental-model/"


def measure(stage: Stage) -> Iterator[Figure]:
    taken = measured("pages", ROUNDS, lambda _: _inside(stage, stage.edsger), spare=2)
    yield Figure(
        bench="lesson page, Django CPU",
        value=middle(found["cpu_ms"] for found in taken),
        worst=max(found["worst_ms"] for found in taken),
        unit="ms",
        goal="<= 1",
        peer=middle(found["empty_ms"] for found in taken),
        note=f"from the ASGI call to the last byte, {taken[0]['sent_bytes'] / 1000:.0f} KB of gzip; "
        "the peer is an empty view behind the same middleware",
    )
    longer = measured("pages", 1, lambda _: _inside(stage, stage.edsger, _LONGER), spare=1)[0]
    yield Figure(
        bench="lesson page, queries",
        value=max(*(found["queries"] for found in taken), longer["queries"]),
        unit="",
        goal="<= 3",
        peer=longer["queries"],
        note="the peer is a lesson that is longer",
    )
    yield Figure(bench="lesson page, web process in all", value=_web_ms(stage), unit="CPU-ms per request")
    yield from _weights(stage)


def _inside(
    stage: Stage, student: Student, path: str = LESSON, *, burn_ms: float = 0.0, queries: int = 0
) -> dict[str, float]:
    order = [student.cookie_header, path, str(burn_ms), str(queries)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.inside", *order],
        cwd=ROOT,
        check=False,
        capture_output=True,  # every request writes its line to the log, as it does in the site
        text=True,
        env=stage.site.environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _web_ms(stage: Stage) -> float:
    stage.edsger.get(LESSON)
    used = processes.cpu_s([stage.web_pid])
    for _ in range(_GETS):
        stage.edsger.get(LESSON)
    return 1000 * (processes.cpu_s([stage.web_pid]) - used) / _GETS


def _weights(stage: Stage) -> Iterator[Figure]:
    sizes = _loads(stage.site.address, LESSON, who="edsger")
    counted = {url: size for url, size in sizes.items() if not any(word in url for word in _LEFT_OUT)}
    fonts = sum(size for url, size in sizes.items() if ".woff2" in url)
    page_kb = sizes[stage.site.address + LESSON] / 1000
    yield Figure(
        bench="lesson page, over the wire",
        value=sum(counted.values()) / 1000,
        unit="KB",
        goal="<= 100",
        note=f"heads included, fonts aside; the page itself {page_kb:.0f} KB",
    )
    yield Figure(
        bench="lesson page, requests",
        value=len(sizes),
        unit="",
        note=f"{len(sizes) - len(counted)} of them fonts; a reader without a cluster",
    )
    yield Figure(bench="lesson page, fonts", value=fonts / 1000, unit="KB", goal="<= 120")


def _loads(origin: str, path: str, *, who: str = "") -> dict[str, float]:
    """Bytes by address of everything that a page loads, with nothing in the cache."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_context(base_url=origin).new_page()
            if who:
                sign_in(page, who)
            loads = _Loads(page.context.new_cdp_session(page))
            page.goto(path)
            page.wait_for_load_state("networkidle")
        finally:
            browser.close()
    return loads.sizes


class _Loads:
    """Bytes over the wire by address, heads included, nothing from a cache."""

    def __init__(self, session: CDPSession) -> None:
        self.sizes: dict[str, float] = {}
        self._urls: dict[str, str] = {}
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.loadingFinished", self._loaded)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def _asked(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["request"]["url"].split("?")[0]

    def _loaded(self, event: dict[str, Any]) -> None:
        url = self._urls.get(event["requestId"], "")
        if url.startswith("http"):
            self.sizes[url] = self.sizes.get(url, 0) + event["encodedDataLength"]


def prove(stage: Stage) -> Iterator[Proof]:
    """More CPU and two queries more for every request; parcels of a known weight."""
    plain = _inside(stage, stage.edsger, burn_ms=0.01)
    more = _inside(stage, stage.edsger, burn_ms=20.0)
    yield Proof(
        what="pages: more CPU for every request",
        put_in=20,
        reported=more["cpu_ms"] - plain["cpu_ms"],
        unit="ms",
    )
    yield Proof(
        what="pages: queries added",
        put_in=2,
        reported=_inside(stage, stage.edsger, queries=2)["queries"] - plain["queries"],
        unit="queries",
        within=0,
    )
    with parcels() as origin:
        sizes = _loads(origin, "/")
    found = {url: size for url, size in sizes.items() if "/parcel" in url}
    yield Proof(what="pages: requests of a page", put_in=len(PARCELS), reported=len(found), unit="", within=0)
    yield Proof(
        what="pages: bytes over the wire",
        put_in=sum(PARCELS) / 1000,
        reported=sum(found.values()) / 1000,
        unit="KB",
        within=0.02,
    )
