"""No page of the site breaks its own policy: every page each role can reach, with what happens on them."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urldefrag, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests import make, small_course
from tests.browser.people import add_user, sign_in
from tests.browser.site import RunningSite
from tests.browser.workbench import (
    LESSON,
    begin_lab,
    open_file,
    open_workspace,
    run,
    start_sandbox,
    type_program,
    watch_topic,
)
from tests.cast import assemble
from tests.config.test_up import until

pytestmark = pytest.mark.browser

LISTENS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("violation", event.effectiveDirective, event.blockedURI, event.sourceFile));
"""
PLANTS = "document.head.append(Object.assign(document.createElement('style'), {textContent: 'a{}'}))"
# Every student, sandbox and search is a page; so many of a kind are enough.
OF_A_KIND = 3
# A file that is handed out, not a page.
NO_PAGES = (".csv", "/static/")
WRITES = """
from confluent_kafka import Producer
settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
producer = Producer(settings)
for number in range(20):
    producer.produce("task-events", key=str(number), value=b"<b>bold</b>")
print("unanswered:", producer.flush(30))
"""


@dataclass
class Watch:
    """What a browser said against a page, and which pages were seen."""

    said: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> BrowserContext:
        context.add_init_script(LISTENS)
        context.on("console", self.heard)
        return context

    def heard(self, message: Any) -> None:
        text = message.text
        if "violation" in text or "Content Security Policy" in text or "Trusted" in text:
            self.said.append(f"{message.page.url if message.page else ''}: {text}")


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def new_tab(chromium: Browser, site: RunningSite, watch: Watch) -> Iterator[Any]:
    """A browser of somebody's own at the running site, watched."""
    contexts: list[BrowserContext] = []

    def tab() -> Page:
        context = watch.over(chromium.new_context(base_url=site.address))
        context.set_default_timeout(60_000)
        contexts.append(context)
        return context.new_page()

    yield tab
    for context in contexts:
        context.close()


def crawl(page: Page, watch: Watch) -> list[str]:
    """Follow the links of the site from the home page; the addresses that were opened."""
    waiting, opened, known = deque(["/"]), list[str](), Counter({"/": 1})
    while waiting:
        address = waiting.popleft()
        answer = page.goto(address, wait_until="load")
        assert answer is not None
        assert answer.status == 200, f"{address}: {answer.status}"
        opened.append(address)
        # Pages fetch panels and open their sockets a moment after they were loaded.
        page.wait_for_timeout(300)
        for link in sorted(links(page) - {*opened, *waiting}):
            known[kind_of(link)] += 1
            if known[kind_of(link)] <= OF_A_KIND:
                waiting.append(link)
    watch.seen += opened
    return opened


def kind_of(address: str) -> str:
    """The address without ids and without what is asked for."""
    url = urlsplit(address)
    path = re.sub(r"[0-9a-f-]{32,36}|\d+", "#", url.path)
    return f"{path} {sorted(parse_qs(url.query))}"


def links(page: Page) -> set[str]:
    hrefs: list[str] = page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
    site = urlsplit(page.url).netloc
    found = {urlsplit(urldefrag(href).url) for href in hrefs}
    return {
        f"{url.path}?{url.query}" if url.query else url.path
        for url in found
        if url.netloc == site and not any(part in url.path for part in NO_PAGES)
    }


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.xdist_group("site")
@pytest.mark.logs("announce.lost")
def test_no_page_that_anybody_can_reach_breaks_the_policy(
    site: RunningSite, watch: Watch, new_tab: Any
) -> None:
    student = new_tab()
    sign_in(student, "donald", add_user(site, "donald"))
    work(student)
    stranger, grace, root = new_tab(), new_tab(), new_tab()
    sign_in(grace, "grace")
    sign_in(root, "admin", site.admin_password)

    by_role = {
        "stranger": crawl(stranger, watch),
        "student": crawl(student, watch),
        "instructor": crawl(grace, watch),
        "admin": crawl(root, watch),
    }

    print({role: len(seen) for role, seen in by_role.items()})
    assert watch.said == []
    assert "/accounts/login/" in by_role["stranger"]
    assert {LESSON, "/board/", "/search/"} <= set(by_role["student"])
    assert any(path.startswith("/class/") and path.count("/") == 4 for path in by_role["instructor"])
    assert {"/console/sandboxes/", "/console/clusters/"} <= set(by_role["admin"])
    assert any(path.startswith("/console/sandboxes/") and len(path) > 40 for path in by_role["admin"])


def work(page: Page) -> None:
    """A student at work: sandbox, lab, editor, program, lanes and table."""
    page.goto(LESSON)
    start_sandbox(page)
    begin_lab(page, "first-events")
    open_workspace(page)
    open_file(page, "producer.py", holds="Announce every task")
    type_program(page, WRITES)
    run(page, says="unanswered: 0")
    watch_topic(page, "task-events")
    expect(page.locator(".pane.lanes .table")).to_contain_text("<b>bold</b>")


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.xdist_group("site")
@pytest.mark.logs("csp.violated")
def test_a_planted_breach_is_heard_and_reported(site: RunningSite, watch: Watch, new_tab: Any) -> None:
    page = new_tab()
    page.goto("/accounts/login/")

    with page.expect_console_message(lambda said: "violation style-src-elem" in said.text):
        page.evaluate(PLANTS)

    assert any("violation style-src-elem" in said for said in watch.said)
    # It is the browser that reports, not the page, so nothing of it is seen there.
    line = "csp.violated directive=style-src-elem route=accounts/login/"
    assert until(lambda: line in site.log("web"), within_s=60)


# -- pages that say what went wrong, from a server in this process, which can be made to go wrong ------------


@pytest.fixture
def mishap(chromium: Browser, live_server: Any, watch: Watch, transactional_db: None) -> Iterator[Page]:
    small_course.serve()
    assemble()
    context = watch.over(chromium.new_context(base_url=live_server.url))
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("#id_login", "ada")
    page.fill("#id_password", make.PASSWORD)
    page.click("#sign button")
    page.wait_for_url("**/")
    yield page
    context.close()


def shows(page: Page, code: int, address: str) -> None:
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == code
    expect(page.locator(".eyebrow").first).to_contain_text(str(code))


def test_a_missing_page_keeps_the_policy(mishap: Page, watch: Watch) -> None:
    shows(mishap, 404, "/no/such/page/")

    assert watch.said == []


@pytest.mark.logs("page.failed")
def test_a_page_that_broke_keeps_the_policy(
    mishap: Page, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("sandboxes.selectors.live_sandbox", broken)
    shows(mishap, 500, "/sandbox/why/")

    assert watch.said == []


def test_a_form_without_its_token_keeps_the_policy(mishap: Page, watch: Watch) -> None:
    mishap.goto("/accounts/logout/")
    mishap.evaluate("document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach(one => one.remove())")
    with mishap.expect_navigation() as gone:
        mishap.get_by_role("main").get_by_role("button").first.click()

    assert gone.value is not None
    assert gone.value.status == 403
    assert watch.said == []


def test_too_many_requests_keep_the_policy(mishap: Page, watch: Watch, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"change_password": "0/m/user"}
    mishap.goto("/accounts/password/change/")
    mishap.fill("#id_oldpassword", "wrong")
    mishap.fill("#id_password1", "something long and new")
    mishap.fill("#id_password2", "something long and new")
    with mishap.expect_navigation() as gone:
        mishap.get_by_role("main").get_by_role("button").last.click()

    assert gone.value is not None
    assert gone.value.status == 429
    assert watch.said == []
