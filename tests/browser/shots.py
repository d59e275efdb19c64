"""Pictures of every page at 390, 1280 and 1920 px, light and dark, of a site that runs: to be looked at.

    python tests/browser/shots.py http://127.0.0.1:8000 /some/folder [--only lesson] [--width 390]

Not a test: nothing is compared. It starts a sandbox for the student when there is none, and has two labs of
theirs under way, so that the board has something to show. What no site stays in is pictured by its tests
(panels in every state, a full class, a full console):
SHOTS=/some/folder pytest tests/browser -k "reads_well or every_page or full_house".
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, sync_playwright

SIZES = {390: 844, 1280: 900, 1920: 1080}
THEMES = ("light", "dark")
CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 8_000
LESSON = "/lessons/first-producer/"

Steps = Callable[[Page], None]
Pictures = Mapping[str, tuple[str, Steps]]


def _as_it_is(page: Page) -> None:
    page.wait_for_timeout(500)


def _with_picture(page: Page) -> None:
    page.locator(".stage[data-mode=board]:not(.no-picture)").wait_for(timeout=60_000)
    page.wait_for_timeout(1_500)


def _scrolled_to(selector: str) -> Steps:
    def steps(page: Page) -> None:
        _with_picture(page)
        page.locator(selector).first.evaluate(
            "node => node.scrollIntoView({behavior: 'instant', block: 'start'})"
        )
        page.wait_for_timeout(1_000)

    return steps


def _board(page: Page) -> None:
    """The board: beside the text, or as a sheet over it on a narrow screen."""
    _with_picture(page)
    if page.locator("#mini").is_visible():
        page.locator("#mini").click()
        page.wait_for_timeout(600)


def _lens(name: str) -> Steps:
    def steps(page: Page) -> None:
        _board(page)
        page.locator(f"#t-{name}").click()
        page.wait_for_timeout(800)

    return steps


def _one_record(page: Page) -> None:
    _lens("record")(page)
    page.locator(".stream button").first.click()
    page.wait_for_timeout(500)


def _workspace(page: Page) -> None:
    _with_picture(page)
    page.locator("#w-toggle").click()
    page.locator(".cm-content").wait_for(timeout=15_000)
    page.locator("#work").evaluate("node => node.scrollIntoView({behavior: 'instant', block: 'end'})")
    page.wait_for_timeout(1_000)


def _opened_workspace(page: Page) -> None:
    _with_picture(page)
    if page.locator("#w-toggle").get_attribute("aria-expanded") != "true":
        page.locator("#w-toggle").click()
    page.locator(".cm-content").wait_for(timeout=15_000)


def _deck(page: Page) -> None:
    _board(page)
    if page.locator("#break").is_visible():
        page.locator("#break").click()
        page.wait_for_timeout(500)


def _panel(page: Page) -> None:
    _with_picture(page)
    page.locator("#chip").click()
    page.wait_for_timeout(500)


def _panel_with_why(page: Page) -> None:
    _panel(page)
    page.locator("#panel-slot details.raw summary").first.click()
    page.wait_for_timeout(1_000)


def _as_text(page: Page) -> None:
    _board(page)
    page.locator(".lanes .twin").click()
    page.wait_for_timeout(1_300)


def _menu(page: Page) -> None:
    page.locator(".user").click()
    page.wait_for_timeout(300)


def _wrong_password(page: Page) -> None:
    page.locator("[name=login]").fill("ada")
    page.locator("[name=password]").fill("wrong")
    page.locator("#sign button").click()
    page.locator("#err").wait_for()


def _at(*selectors: str) -> Steps:
    """Where these links lead, one after the other."""

    def steps(page: Page) -> None:
        for selector in selectors:
            link = page.locator(selector).first
            link.wait_for(state="attached")
            page.goto(page.evaluate("node => node.href", link.element_handle()))
        page.wait_for_timeout(1_200)

    return steps


def _then(*several: Steps) -> Steps:
    def steps(page: Page) -> None:
        for one in several:
            one(page)

    return steps


def _pressed(selector: str) -> Steps:
    def steps(page: Page) -> None:
        page.locator(selector).first.click()
        page.wait_for_timeout(800)

    return steps


# name -> (address, what to do before the picture)
NOBODY: Pictures = {
    "welcome": ("/", _as_it_is),
    "sign-in": ("/accounts/login/", _as_it_is),
    "sign-in-wrong": ("/accounts/login/", _wrong_password),
    "sign-up": ("/accounts/signup/", _as_it_is),
    "password-reset": ("/accounts/password/reset/", _as_it_is),
}
STUDENT: Pictures = {
    "home": ("/", _as_it_is),
    "menu": ("/", _menu),
    "not-found": ("/nothing-here/", _as_it_is),
    "search": ("/search/?q=offset", _as_it_is),
    "search-none": ("/search/?q=zookeeper", _as_it_is),
    "search-blank": ("/search/", _as_it_is),
    "why": ("/sandbox/why/", _as_it_is),
    "whole-board": ("/board/", _with_picture),
    "lesson-5-top": (LESSON, _board),
    "lesson-5-figure": (LESSON, _scrolled_to("figure")),
    "lesson-5-question": (LESSON, _scrolled_to(".ask")),
    "lesson-5-code": (LESSON, _scrolled_to(".prose .code")),
    "lesson-5-lab": (LESSON, _scrolled_to(".lab")),
    "lesson-5-tasks": (LESSON, _scrolled_to(".lab .tasks")),
    "lesson-5-records": (LESSON, _lens("record")),
    "lesson-5-record": (LESSON, _one_record),
    "lesson-5-lag": (LESSON, _lens("lag")),
    "lesson-5-events": (LESSON, _lens("events")),
    "lesson-5-text": (LESSON, _as_text),
    "lesson-5-deck": (LESSON, _deck),
    "lesson-5-panel": (LESSON, _panel),
    "lesson-5-panel-why": (LESSON, _panel_with_why),
    "lesson-3-top": ("/lessons/mental-model/", _with_picture),
    "lesson-3-watch": ("/lessons/mental-model/", _scrolled_to(".watch")),
    "lesson-3-lab": ("/lessons/mental-model/", _scrolled_to(".lab >> nth=1")),
    # Last: a page remembers that its workspace is open.
    "lesson-5-workspace": (LESSON, _workspace),
    "lesson-5-new-file": (LESSON, _then(_opened_workspace, _pressed("#file-new"))),
    "lesson-5-delete-file": (LESSON, _then(_opened_workspace, _pressed("#file-delete"))),
}
_CLASS = _as_it_is  # one class: its page is the first
INSTRUCTOR: Pictures = {
    "classes": ("/class/", _as_it_is),
    "class": ("/class/", _CLASS),
    "class-text": ("/class/", _then(_CLASS, _pressed("#twin"))),
    "class-stuck": ("/class/", _then(_CLASS, _at("#f-stuck"))),
    "class-cause": ("/class/", _then(_CLASS, _pressed("#trouble .what"))),
    "student": ("/class/", _then(_CLASS, _at(".heat tbody th a"))),
    "student-stuck": ("/class/", _then(_CLASS, _at("#f-stuck", ".heat tbody th a"))),
    "gradebook": ("/class/", _then(_CLASS, _at("a[href$='gradebook/']"))),
    "people": ("/class/", _then(_CLASS, _at("a[href$='people/']"))),
}
_ONE = _at("#fleet tbody th a")
ADMIN: Pictures = {
    "sandboxes": ("/console/sandboxes/", _as_it_is),
    "sandboxes-none": ("/console/sandboxes/?q=nobody-is-called-so", _as_it_is),
    "sandbox": ("/console/sandboxes/?q=ada", _ONE),
    "sandbox-stop": ("/console/sandboxes/?q=ada", _then(_ONE, _at("#do-stop"))),
    "sandbox-delete": ("/console/sandboxes/?q=ada", _then(_ONE, _at("#do-delete"))),
    "sandbox-hold": ("/console/sandboxes/?q=ada", _then(_ONE, _at("#do-hold"))),
    "clusters": ("/console/clusters/", _as_it_is),
    "cluster": ("/console/clusters/", _at("a[href^='/console/clusters/']:not([href$='clusters/'])")),
}


def _sign_in(page: Page, site: str, user: str, password: str) -> None:
    page.goto(f"{site}/accounts/login/")
    page.locator("[name=login]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url(re.compile(rf"{re.escape(site)}/(?!accounts/)"))


def _have_sandbox(page: Page, site: str) -> None:
    page.goto(site + LESSON)
    page.locator("#sandbox-panel[hx-trigger*='sandbox:changed']").wait_for(state="attached", timeout=10_000)
    start = page.locator("#panel-slot :is([data-do=start], [data-do=resume])")
    if start.count():
        start.first.click()
    _with_picture(page)


def _have_something_to_see(page: Page, site: str) -> None:
    """Two labs under way: records of one, and of the other a group that reads behind its writer."""
    _begin(page, site + "/lessons/mental-model/", "two-groups")
    for program in ("fill.py", "notify.py"):
        _opened_workspace(page)
        page.get_by_role("tab", name=program, exact=True).click()
        page.wait_for_timeout(1_000)
        page.locator(".run").click()
        page.wait_for_timeout(4_000)
    _begin(page, site + LESSON, "first-events")


def _begin(page: Page, address: str, lab: str) -> None:
    page.goto(address)
    _with_picture(page)
    begin = page.locator(f"#lab-{lab} .lab-acts .solid")
    if begin.count():
        begin.click()
        page.locator(f"#lab-{lab}[data-state=open]").wait_for(timeout=60_000)


def _context(browser: Browser, site: str, width: int, theme: str) -> BrowserContext:
    context = browser.new_context(viewport={"width": width, "height": SIZES[width]}, has_touch=width < 600)
    context.add_cookies([{"name": "theme", "value": theme, "url": site}])
    return context


def _take(browser: Browser, site: str, args: argparse.Namespace, width: int, theme: str) -> None:
    for user, password, pictures in (
        ("", "", NOBODY),
        (args.user, args.password, STUDENT),
        ("grace", "millrace-grace", INSTRUCTOR),
        ("admin", args.admin_password, ADMIN),
    ):
        wanted = {f"{name}-{width}-{theme}.png": made for name, made in pictures.items()}
        wanted = {name: made for name, made in wanted.items() if re.search(args.only, name)}
        if not wanted or (user and not password):
            continue
        context = _context(browser, site, width, theme)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        if user:
            _sign_in(page, site, user, password)
        if pictures is STUDENT:
            _have_sandbox(page, site)
            if not args.bare:
                _have_something_to_see(page, site)
        for name, (address, steps) in wanted.items():
            _picture(page, site + address, steps, args.folder / name, whole=args.whole)
        context.close()


def _picture(page: Page, address: str, steps: Steps, file: Path, *, whole: bool) -> None:
    page.goto(address)
    try:
        steps(page)
    except Error as error:
        print(f"{file.name}  not as it was meant: {str(error).splitlines()[0]}", flush=True)
    page.screenshot(path=file, full_page=whole)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    print(f"{file.name}{'  scrolls sideways' if wide > 0 else ''}", flush=True)


def _run(playwright: Playwright, args: argparse.Namespace) -> None:
    args.folder.mkdir(parents=True, exist_ok=True)
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    for width in args.width or SIZES:
        for theme in args.theme or THEMES:
            _take(browser, args.site.rstrip("/"), args, width, theme)
    browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of every page of a running site.")
    parser.add_argument("site", help="its address, such as http://127.0.0.1:8000")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="only pictures whose name this pattern finds")
    parser.add_argument("--width", type=int, action="append", choices=list(SIZES))
    parser.add_argument("--theme", action="append", choices=list(THEMES))
    parser.add_argument("--whole", action="store_true", help="pages in their whole length")
    parser.add_argument("--bare", action="store_true", help="begin no lab, run no program")
    parser.add_argument("--user", default="ada")
    parser.add_argument("--password", default="millrace-ada")
    parser.add_argument("--admin-password", default="", help="without it no page of an admin is pictured")
    with sync_playwright() as playwright:
        _run(playwright, parser.parse_args())


if __name__ == "__main__":
    main()
