"""The lesson page: Django's work for it, and what a reader without a sandbox downloads."""

from __future__ import annotations

import gzip
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
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage
from tests.browser.people import sign_in
from tests.browser.site import CHROMIUM, _environment

ROUNDS = 3
_GETS = 60
_LEFT_OUT = (".woff2", "editor.bundle")


def measure(stage: Stage) -> Iterator[Figure]:
    taken = measured("pages", ROUNDS, lambda _: _inside(stage), spare=1)
    cpu = [found["cpu_ms"] for found in taken]
    yield Figure(
        bench="lesson page, Django CPU",
        value=middle(cpu),
        worst=max(found["worst_ms"] for found in taken),
        unit="ms",
        goal="<= 1",
        peer=middle(found["peer_ms"] for found in taken),
        note=f"{taken[0]['html_bytes'] / 1000:.0f} kB of HTML; the peer is /healthz/",
    )
    yield Figure(
        bench="lesson page, queries", value=max(found["queries"] for found in taken), unit="", goal="<= 3"
    )
    yield Figure(bench="lesson page, web process in all", value=_web_ms(stage), unit="CPU-ms per request")
    yield from _weights(stage)


def _inside(stage: Stage, *, burn_ms: float = 0.0, queries: int = 0) -> dict[str, float]:
    order = ["pages", stage.edsger.cookie_header, LESSON, str(burn_ms), str(queries)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.inside", *order],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        env=_environment(stage.site.data, 0),
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _web_ms(stage: Stage) -> float:
    stage.edsger.get(LESSON)
    used = processes.cpu_s([stage.web_pid])
    for _ in range(_GETS):
        stage.edsger.get(LESSON)
    return 1000 * (processes.cpu_s([stage.web_pid]) - used) / _GETS


def _weights(stage: Stage) -> Iterator[Figure]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_context(base_url=stage.site.address).new_page()
            sign_in(page, "edsger")
            loads = _Loads(page.context.new_cdp_session(page))
            page.goto(LESSON)
            page.wait_for_load_state("networkidle")
        finally:
            browser.close()
    counted = sum(size for url, size in loads.sizes.items() if not any(word in url for word in _LEFT_OUT))
    fonts = sum(size for url, size in loads.sizes.items() if ".woff2" in url)
    page_kb = loads.sizes[stage.site.address + LESSON] / 1000
    zipped_kb = len(gzip.compress(stage.edsger.get(LESSON).encode())) / 1000
    yield Figure(
        bench="lesson page, over the wire",
        value=counted / 1000,
        unit="KB",
        goal="<= 100",
        note=f"{len(loads.sizes)} requests, heads included; the page {page_kb:.0f} KB as sent, "
        f"{zipped_kb:.0f} KB if something in front compressed it",
    )
    yield Figure(bench="lesson page, fonts", value=fonts / 1000, unit="KB", goal="<= 120")


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
    """More CPU and two queries more for every request."""
    plain, more = _inside(stage, burn_ms=0.01), _inside(stage, burn_ms=20.0)
    yield Proof(
        what="pages: more CPU for every request",
        put_in=20,
        reported=more["cpu_ms"] - plain["cpu_ms"],
        unit="ms",
    )
    yield Proof(
        what="pages: queries added",
        put_in=2,
        reported=_inside(stage, queries=2)["queries"] - plain["queries"],
        unit="queries",
        within=0,
    )
