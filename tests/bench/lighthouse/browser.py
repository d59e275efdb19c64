"""A Chromium with somebody signed in, and Lighthouse looking over their shoulder."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, sync_playwright

from tests.bench.lighthouse.package import command
from tests.browser.site import CHROMIUM, free_port

# Its signed-in session and the profile are kept; the cache is emptied before each look.
_OPTIONS = ("--quiet", "--disable-storage-reset", "--no-enable-error-reporting", "--output=json")
_PATIENCE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at a page. scores: category -> 0 to 100; cls: a share of the screen, not a time."""

    scores: dict[str, float]
    lcp_ms: float
    tbt_ms: float
    cls: float


class NoAuditError(Exception):
    """Lighthouse gave up; says why."""


class Audit:
    def __init__(self, context: BrowserContext, origin: str, port: int, folder: Path) -> None:
        self._context, self._origin, self._port, self._folder = context, origin, port, folder
        self._command, self._environment = command()

    def leads_to(self, address: str) -> str:
        """The page behind an address of the site, after its redirects; "" when it is not there."""
        answer = self._context.request.get(self._origin + address)
        return answer.url if answer.status == 200 else ""

    def look(self, address: str) -> Seen:
        """Load the page with an empty cache and audit it; a path of the site, or a whole address."""
        self._forget()
        report = self._folder / "report.json"
        url = address if address.startswith("http") else self._origin + address
        argv = [*self._command, url, f"--port={self._port}", f"--output-path={report}", *_OPTIONS]
        done = subprocess.run(
            argv,
            check=False,
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_PATIENCE_S,
        )
        if done.returncode:
            raise NoAuditError(f"{address}: {done.stderr.strip()[-300:]}")
        told: dict[str, Any] = json.loads(report.read_text())
        assert told["finalDisplayedUrl"] == url, f"asked for {url}, saw {told['finalDisplayedUrl']}"
        numbers = {name: audit.get("numericValue", 0.0) for name, audit in told["audits"].items()}
        return Seen(
            scores={name: 100 * category["score"] for name, category in told["categories"].items()},
            lcp_ms=numbers["largest-contentful-paint"],
            tbt_ms=numbers["total-blocking-time"],
            cls=numbers["cumulative-layout-shift"],
        )

    def _forget(self) -> None:
        page = self._context.new_page()
        self._context.new_cdp_session(page).send("Network.clearBrowserCache")
        page.close()


@contextmanager
def auditing(origin: str, who: str, password: str) -> Iterator[Audit]:
    """An auditor of one site; who: "" for nobody, else somebody who signs in first."""
    port = free_port()
    options = ["--no-sandbox", f"--remote-debugging-port={port}"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="mr-light-") as folder:
        context = playwright.chromium.launch_persistent_context(
            f"{folder}/profile", executable_path=CHROMIUM, headless=True, args=options
        )
        try:
            if who:
                _sign_in(context, origin, who, password)
            yield Audit(context, origin, port, Path(folder))
        finally:
            context.close()


def _sign_in(context: BrowserContext, origin: str, who: str, password: str) -> None:
    page = context.new_page()
    page.goto(f"{origin}/accounts/login/")
    page.fill("#id_login", who)
    page.fill("#id_password", password)
    page.click("#sign button[type=submit]")
    page.wait_for_url(f"{origin}/")
    page.close()
