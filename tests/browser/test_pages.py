"""Every page in a real browser: it keeps its policy, axe finds nothing, keys suffice, nothing overflows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import make, small_course
from tests.browser.reading import assert_reads_well
from tests.browser.site import CHROMIUM
from tests.cast import Cast, assemble

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = {390: 844, 1280: 900, 1920: 1080}

# who looks -> at which addresses
PAGES = {
    "nobody": ("/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"),
    "ada": (
        "/",
        "/lessons/first/",
        "/search/",
        "/search/?q=record",
        "/search/?q=nothing-says-this",
        "/board/",
        "/accounts/password/change/",
        "/accounts/logout/",
        "/no/such/page/",
    ),
    "grace": ("/", "/lessons/first/"),
    "root": ("/", "/console/", "/console/clusters/"),
}

TELL_OF_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error("violation", event.violatedDirective, event.blockedURI);
});
"""


@dataclass
class Visit:
    """A page being looked at, and what went wrong on it."""

    page: Page
    origin: str
    said: list[str] = field(default_factory=list)
    asked_elsewhere: list[str] = field(default_factory=list)

    def go(self, address: str) -> None:
        self.page.goto(self.origin + address)
        self.page.wait_for_load_state("networkidle")

    def heard(self, message: Any) -> None:
        # A page that is missing on purpose is reported as a failed load; this server speaks nothing live.
        expected = (
            "404 (Not Found)" in message.text
            or message.text.startswith("WebSocket connection to")
            or "/live/" in message.location.get("url", "")
        )
        if message.type in {"error", "warning"} and not expected:
            self.said.append(message.text)

    def requested(self, request: Any) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.asked_elsewhere.append(request.url)


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Browser:
    """The one that this process has: there is no room for a second Playwright beside it."""
    return chromium


@pytest.fixture
def cast() -> Cast:
    small_course.serve()
    return assemble()


@pytest.fixture
def visit(browser: Browser, live_server: Any, cast: Cast, request: Any) -> Iterator[Visit]:
    """A tab; parametrise indirectly with browser options (viewport, color_scheme, reduced_motion)."""
    context = browser.new_context(**getattr(request, "param", {}))
    context.add_init_script(TELL_OF_VIOLATIONS)
    page = context.new_page()
    visit = Visit(page=page, origin=live_server.url)
    page.on("console", visit.heard)
    page.on("pageerror", lambda error: visit.said.append(str(error)))
    page.on("request", visit.requested)
    yield visit
    context.close()


def sign_in(visit: Visit, name: str = "ada") -> None:
    visit.go("/accounts/login/")
    visit.page.fill("#id_login", name)
    visit.page.fill("#id_password", make.PASSWORD)
    visit.page.click("#sign button")
    visit.page.wait_for_url(visit.origin + "/")


LOOKS = [
    {"viewport": {"width": width, "height": height}, "color_scheme": theme}
    for width, height in WIDTHS.items()
    for theme in ("light", "dark")
]


@pytest.mark.parametrize(
    "visit", LOOKS, indirect=True, ids=lambda look: f"{look['viewport']['width']}-{look['color_scheme']}"
)
def test_every_page_keeps_its_policy_pleases_axe_and_fits(visit: Visit) -> None:
    for person, addresses in PAGES.items():
        visit.page.context.clear_cookies()
        if person != "nobody":
            sign_in(visit, person)
        for address in addresses:
            visit.go(address)

            assert visit.said == [], f"{person} {address}"
            assert visit.asked_elsewhere == [], f"{person} {address}"
            assert_reads_well(visit.page, f"{person} {address}")


def test_one_signs_in_and_out_with_keys_alone(visit: Visit) -> None:
    visit.go("/accounts/login/")
    keys = visit.page.keyboard

    keys.type("ada")
    keys.press("Tab")
    focus(visit.page, "#id_password")
    keys.type(make.PASSWORD)
    keys.press("Enter")
    visit.page.wait_for_url(visit.origin + "/")
    visit.page.locator(".user").focus()
    keys.press("Enter")
    visit.page.get_by_role("button", name="Sign out").focus()
    keys.press("Enter")

    visit.page.wait_for_url(visit.origin + "/accounts/login/")


@pytest.fixture
def remembering(chromium: Browser) -> Iterator[Browser]:
    """A browser that keeps pages whole for Back, as people's do; Playwright's own does not."""
    launched = chromium.browser_type.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield launched
    launched.close()


@pytest.mark.parametrize("path", ["/", "/lessons/first/", "/search/?q=offs"])
def test_back_after_signing_out_shows_no_page_of_whoever_was_signed_in(
    remembering: Browser, live_server: Any, cast: Cast, path: str
) -> None:
    page = remembering.new_page()
    visit = Visit(page=page, origin=live_server.url)
    sign_in(visit)
    visit.go(path)
    page.locator(".user").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(visit.origin + "/accounts/login/")

    page.evaluate("setTimeout(() => history.back())")

    page.wait_for_function("location.pathname + location.search !== '/accounts/login/'")
    page.locator("#id_login, .claim").first.wait_for()
    assert page.locator(".user").count() == 0
    assert "Ada" not in page.locator("body").inner_text()


def test_back_in_a_lesson_leads_to_where_one_was(visit: Visit) -> None:
    sign_in(visit)
    page = visit.page
    visit.go("/lessons/first/")
    page.evaluate("location.hash = 'record'")
    visit.go("/search/?q=offs")

    page.go_back()

    page.wait_for_url(visit.origin + "/lessons/first/#record")
    page.locator("#record").wait_for()
    assert visit.said == []


def test_during_a_pause_the_button_waits_until_another_name_is_typed(visit: Visit) -> None:
    for _ in range(6):
        visit.go("/accounts/login/")
        visit.page.fill("#id_login", "edsger")
        visit.page.fill("#id_password", "wrong")
        visit.page.click("#sign button")

    button = visit.page.locator("#sign button")
    assert "Wait 5 minutes" in visit.page.locator("#err").inner_text()
    expect(button).to_be_disabled()
    visit.page.fill("#id_login", "ada")
    expect(button).to_be_enabled()


def focus(page: Page, selector: str) -> None:
    """Tab on until that element has the focus; at most ten steps."""
    for _ in range(10):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


def test_the_first_tab_offers_to_skip_to_the_text(visit: Visit) -> None:
    sign_in(visit)
    visit.go("/")

    visit.page.keyboard.press("Tab")
    assert "Skip to where you left off" in visit.page.locator(":focus").inner_text()
    visit.page.keyboard.press("Enter")

    assert visit.page.evaluate("location.hash") == "#main"


@pytest.mark.parametrize("visit", [{"color_scheme": "light"}], indirect=True, ids=["light"])
def test_the_theme_is_switched_kept_and_given_back_to_the_system(visit: Visit) -> None:
    visit.go("/accounts/login/")
    background = "getComputedStyle(document.body).backgroundColor"
    light = visit.page.evaluate(background)

    visit.page.get_by_label("Switch to dark theme").click()
    dark = visit.page.evaluate(background)
    visit.page.reload()
    kept = visit.page.evaluate(background)
    visit.page.get_by_label("Switch to light theme").click()

    assert dark != light
    assert kept == dark
    assert visit.page.evaluate("document.documentElement.dataset.theme") == "auto"
    assert visit.page.evaluate(background) == light


@pytest.mark.parametrize("visit", [{"reduced_motion": "reduce"}], indirect=True, ids=["reduced"])
def test_nothing_moves_for_those_who_want_it_still(visit: Visit) -> None:
    sign_in(visit)
    visit.go("/")

    assert visit.page.evaluate("document.getAnimations().length") == 0


@pytest.mark.logs("csp.violated")
def test_a_string_that_could_run_a_script_never_becomes_html(visit: Visit) -> None:
    visit.go("/accounts/login/")

    outcome = visit.page.evaluate(
        """() => {
          try { document.body.innerHTML = "<img src=x onerror='globalThis.ran = true'>"; return "set"; }
          catch (error) { return error.name; }
        }"""
    )

    assert outcome == "TypeError"
    assert visit.page.evaluate("globalThis.ran") is None


def test_search_is_a_key_away_follows_the_typing_and_is_walked_by_arrows(visit: Visit) -> None:
    sign_in(visit)
    visit.go("/")
    keys, page = visit.page.keyboard, visit.page

    keys.press("/")
    page.wait_for_url(visit.origin + "/search/")
    keys.type("offs", delay=20)
    page.get_by_role("link", name="A record").wait_for()
    assert page.url == visit.origin + "/search/?q=offs&kind="
    keys.press("ArrowDown")
    assert page.locator(":focus").inner_text() == "A record"
    keys.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "q"
    keys.press("ArrowDown")
    keys.press("Enter")

    page.wait_for_url(visit.origin + "/lessons/first/#record")
    page.go_back()
    page.locator("header.bar").wait_for()
    assert page.get_by_role("link", name="A record").is_visible()
    assert visit.said == []


def test_a_kind_is_chosen_by_keys_without_losing_the_place(visit: Visit) -> None:
    sign_in(visit)
    visit.go("/search/?q=program")
    page = visit.page

    page.locator("#kind-").focus()
    for kind in ("text", "lab"):  # the second is chosen among results that came for the first
        page.keyboard.press("ArrowDown")
        page.wait_for_url(visit.origin + f"/search/?q=program&kind={kind}")
        page.wait_for_function("kind => document.activeElement.id === `kind-${kind}`", arg=kind)

    assert page.locator(".hits a").all_inner_texts() == ["Write a program"]


def test_a_slash_that_is_typed_into_something_is_a_slash(visit: Visit) -> None:
    visit.go("/accounts/login/")
    visit.page.locator("#id_login").focus()

    visit.page.keyboard.type("a/b")

    assert visit.page.input_value("#id_login") == "a/b"


def test_where_one_reads_is_where_another_browser_goes_on(visit: Visit, browser: Browser) -> None:
    sign_in(visit)
    visit.go("/lessons/first/")
    with visit.page.expect_response("**/place/") as kept:
        visit.page.mouse.wheel(0, 5_000)
    assert kept.value.status == 204

    elsewhere = Visit(page=browser.new_context().new_page(), origin=visit.origin)
    sign_in(elsewhere)
    link = elsewhere.page.get_by_role("link", name="Go on with lesson 1")
    assert link.get_attribute("href") == "/lessons/first/#lab-one"
    elsewhere.page.context.close()


def test_strangers_can_stop_a_reader_and_read_what_happens(visit: Visit) -> None:
    visit.go("/")
    page = visit.page

    page.get_by_role("button", name="Stop a reader").click()
    page.get_by_text("Reader 3 is gone and nobody knows.").wait_for()
    page.get_by_role("button", name="As text").click()
    page.get_by_role("cell", name="P5").wait_for()
    page.get_by_text("The others took over at the saved place").wait_for(timeout=9_000)

    assert visit.said == []


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True, ids=["no-scripts"])
def test_search_works_without_scripts(visit: Visit) -> None:
    sign_in(visit)
    visit.page.locator("#search").click()
    visit.page.fill("#q", "offset")
    visit.page.press("#q", "Enter")

    assert visit.page.locator(".hits mark").first.inner_text() == "offset"


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True, ids=["no-scripts"])
def test_signing_in_and_the_course_work_without_scripts(visit: Visit) -> None:
    sign_in(visit)

    assert visit.page.get_by_role("link", name="The first lesson").count() >= 1
    assert visit.page.get_by_text("coming").is_visible()


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True, ids=["no-scripts"])
@pytest.mark.parametrize("address", ["/lessons/first/", "/board/"])
def test_where_no_script_runs_the_place_of_the_board_says_so(visit: Visit, address: str) -> None:
    sign_in(visit)
    visit.go(address)

    assert visit.page.get_by_role("heading", name="This needs JavaScript").is_visible()
    visit.page.get_by_role("link", name="How your sandbox is, and why").click()
    visit.page.wait_for_url(visit.origin + "/sandbox/why/")
