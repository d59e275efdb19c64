"""Pictures of every page at 390, 1280 and 1920 px, light and dark, of a site that runs: to be looked at.

    python tests/browser/shots.py http://127.0.0.1:8000 /some/folder [--only lesson] [--width 390]

Not a test: nothing is compared. It starts a sandbox for the user when there is none.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

SIZES = {390: 844, 1280: 900, 1920: 1080}
THEMES = ("light", "dark")
CHROMIUM = "/usr/bin/chromium"

Steps = Callable[[Page], None]


def _lesson(page: Page) -> None:
    page.locator(".stage[data-mode=board]:not(.no-picture)").wait_for(timeout=60_000)
    page.wait_for_timeout(1_500)


def _scrolled_to(selector: str) -> Steps:
    def steps(page: Page) -> None:
        _lesson(page)
        page.locator(selector).first.evaluate(
            "node => node.scrollIntoView({behavior: 'instant', block: 'start'})"
        )
        page.wait_for_timeout(1_000)

    return steps


def _lens(name: str) -> Steps:
    def steps(page: Page) -> None:
        _board(page)
        page.locator(f"#t-{name}").click()
        page.wait_for_timeout(800)

    return steps


def _board(page: Page) -> None:
    """The board: beside the text, or as a sheet over it on a narrow screen."""
    _lesson(page)
    if page.locator("#mini").is_visible():
        page.locator("#mini").click()
        page.wait_for_timeout(600)


def _workspace(page: Page) -> None:
    _lesson(page)
    page.locator("#w-toggle").click()
    page.locator(".cm-content").wait_for(timeout=15_000)
    page.locator("#work").evaluate("node => node.scrollIntoView({behavior: 'instant', block: 'end'})")
    page.wait_for_timeout(1_000)


def _deck(page: Page) -> None:
    _board(page)
    if page.locator("#break").is_visible():
        page.locator("#break").click()
        page.wait_for_timeout(500)


def _panel(page: Page) -> None:
    _lesson(page)
    page.locator("#chip").click()
    page.wait_for_timeout(500)


def _as_text(page: Page) -> None:
    _board(page)
    page.locator(".lanes .twin").click()
    page.wait_for_timeout(1_300)


# name -> (address, what to do before the picture)
SIGNED_OUT: dict[str, tuple[str, Steps]] = {"sign-in": ("/accounts/login/", lambda page: None)}
SIGNED_IN: dict[str, tuple[str, Steps]] = {
    "home": ("/", lambda page: None),
    "not-found": ("/nothing-here/", lambda page: None),
    "lesson-5-top": ("/lessons/first-producer/", _board),
    "lesson-5-figure": ("/lessons/first-producer/", _scrolled_to("figure")),
    "lesson-5-question": ("/lessons/first-producer/", _scrolled_to(".ask")),
    "lesson-5-lab": ("/lessons/first-producer/", _scrolled_to(".lab")),
    "lesson-5-workspace": ("/lessons/first-producer/", _workspace),
    "lesson-5-records": ("/lessons/first-producer/", _lens("record")),
    "lesson-5-text": ("/lessons/first-producer/", _as_text),
    "lesson-5-deck": ("/lessons/first-producer/", _deck),
    "lesson-5-panel": ("/lessons/first-producer/", _panel),
    "lesson-3-top": ("/lessons/mental-model/", _lesson),
    "lesson-3-watch": ("/lessons/mental-model/", _scrolled_to(".watch")),
    "lesson-3-lab": ("/lessons/mental-model/", _scrolled_to(".lab >> nth=1")),
    "lesson-3-lag": ("/lessons/mental-model/", _lens("lag")),
    "lesson-3-events": ("/lessons/mental-model/", _lens("events")),
}


def _sign_in(page: Page, site: str, user: str, password: str) -> None:
    page.goto(f"{site}/accounts/login/")
    page.locator("[name=login]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url(re.compile(rf"{re.escape(site)}/(?!accounts/)"))


def _have_sandbox(page: Page, site: str) -> None:
    page.goto(f"{site}/lessons/first-producer/")
    page.locator("#sandbox-panel[hx-trigger*='sandbox:changed']").wait_for(state="attached", timeout=10_000)
    start = page.locator("#panel-slot :is([data-do=start], [data-do=resume])")
    if start.count():
        start.first.click()
    _lesson(page)


def _take(browser: Browser, site: str, args: argparse.Namespace, width: int, theme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": SIZES[width]}, has_touch=width < 600)
    context.add_cookies([{"name": "theme", "value": theme, "url": site}])
    page = context.new_page()
    pages = dict(SIGNED_OUT)
    for name, (address, steps) in pages.items():
        _picture(page, site + address, steps, args.folder / f"{name}-{width}-{theme}.png", only=args.only)
    _sign_in(page, site, args.user, args.password)
    _have_sandbox(page, site)
    for name, (address, steps) in SIGNED_IN.items():
        _picture(page, site + address, steps, args.folder / f"{name}-{width}-{theme}.png", only=args.only)
    context.close()


def _picture(page: Page, address: str, steps: Steps, file: Path, *, only: str) -> None:
    if only not in file.name:
        return
    page.goto(address)
    steps(page)
    page.screenshot(path=file)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    print(f"{file.name}{'  scrolls sideways' if wide > 0 else ''}", flush=True)


def _run(playwright: Playwright, args: argparse.Namespace) -> None:
    args.folder.mkdir(parents=True, exist_ok=True)
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    for width in args.width or SIZES:
        for theme in THEMES:
            _take(browser, args.site.rstrip("/"), args, width, theme)
    browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of every page of a running site.")
    parser.add_argument("site", help="its address, such as http://127.0.0.1:8000")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="only pictures with this in their name")
    parser.add_argument("--width", type=int, action="append", choices=list(SIZES))
    parser.add_argument("--user", default="ada")
    parser.add_argument("--password", default="millrace-ada")
    with sync_playwright() as playwright:
        _run(playwright, parser.parse_args())


if __name__ == "__main__":
    main()
