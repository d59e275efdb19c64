"""Every state of a sandbox and every error page in a real browser: axe finds nothing, nothing overflows.

With SHOTS=/some/folder each is pictured there, at every width and in both themes.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import clear_url_caches
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from sandboxes import expiry, faults, reconcile, services
from sandboxes.backends.base import Fault
from sandboxes.models import Cluster, FaultRecord, Sandbox
from tests.browser import shots_of
from tests.browser.reading import assert_reads_well
from tests.browser.test_pages import LOOKS, Visit, browser, cast, sign_in, visit  # noqa: F401
from tests.cast import Cast
from tests.sandboxes.conftest import Use, use_backend  # noqa: F401
from tests.sandboxes.driving import ready_sandbox, settle, sweep_and_settle

# No Redis runs beside these tests, so nobody is told of what changes.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.logs("announce.lost", "page.failed", "django.request"),
]

# Narrow and dark, wide and light: each state is seen in one of them, and in all six when pictures are wanted.
FEW = [LOOKS[1], LOOKS[2]]


def row(sandbox: Sandbox, **fields: object) -> None:
    Sandbox.objects.filter(pk=sandbox.pk).update(**fields)


def off(ada: User, use: Use) -> None:
    """Never started."""


def off_but_warm(ada: User, use: Use) -> None:
    until = timezone.now() + timedelta(hours=1)
    cluster = Cluster.objects.create(name="here")
    services.reserve_pool(cluster, profile="kafka-1", count=1, until=until, reason="", by=None)
    sweep_and_settle()


def queued(ada: User, use: Use) -> None:
    use("NeverBackend")
    Cluster.objects.create(name="here", starts_at_once=1)
    others = [User.objects.create_user(f"other-{number}") for number in range(7)]
    for user in others[:4]:
        reconcile.reconcile(services.request_sandbox(user).pk)
    services.request_sandbox(ada)
    for user in others[4:]:
        services.request_sandbox(user)


def starting(ada: User, use: Use) -> None:
    use("NeverBackend")
    for _ in range(3):
        reconcile.reconcile(services.request_sandbox(ada).pk)


def starting_late(ada: User, use: Use) -> None:
    starting(ada, use)
    row(ada.sandboxes.get(), begun_at=timezone.now() - timedelta(seconds=95))


def ready(ada: User, use: Use) -> None:
    ready_sandbox(ada)


def frozen(ada: User, use: Use) -> None:
    row(ready_sandbox(ada), frozen=True)


def soon_asleep(ada: User, use: Use) -> None:
    row(ready_sandbox(ada), expires_at=timezone.now() + timedelta(minutes=4))


def at_its_cap(ada: User, use: Use) -> None:
    begun = timezone.now() - expiry.HARD_CAP + timedelta(minutes=3)
    row(ready_sandbox(ada), expires_at=timezone.now() + timedelta(minutes=3), begun_at=begun)


def slow_on_purpose(ada: User, use: Use) -> None:
    services.inject_fault(ready_sandbox(ada), Fault(kind="latency", ms=400), seconds=100)


def stopped_on_purpose(ada: User, use: Use) -> None:
    sandbox = ready_sandbox(ada)
    services.inject_fault(sandbox, Fault(kind="broker_stop"), seconds=100)
    settle(sandbox)


def asleep(ada: User, use: Use) -> None:
    sandbox = ready_sandbox(ada)
    services.stop_sandbox(sandbox)
    settle(sandbox)


def waking(ada: User, use: Use) -> None:
    asleep(ada, use)
    use("NeverBackend")
    sandbox = services.resume(ada.sandboxes.get())
    reconcile.reconcile(sandbox.pk)


def failed(ada: User, use: Use) -> None:
    use("CrashLoopBackend")
    settle(services.request_sandbox(ada))
    row(ada.sandboxes.get(), retry_at=timezone.now() + timedelta(minutes=1))


def failed_for_good(ada: User, use: Use) -> None:
    failed(ada, use)
    row(ada.sandboxes.get(), retries=3, retry_at=None)


def limits_only(ada: User, use: Use) -> None:
    use("HalfWalledBackend")
    ready_sandbox(ada)


def not_walled_off(ada: User, use: Use) -> None:
    use("UnwalledBackend")


PLACES = {"lesson": "/lessons/first/", "why": "/sandbox/why/"} | ({"home": "/"} if shots_of.FOLDER else {})
STATES: tuple[Callable[[User, Use], None], ...] = (
    off, off_but_warm, queued, starting, starting_late, ready, frozen, soon_asleep, at_its_cap,
    slow_on_purpose, stopped_on_purpose, asleep, waking, failed, failed_for_good, limits_only, not_walled_off,
)  # fmt: skip


def word_for(what: Any) -> str:
    return what.__name__ if callable(what) else f"{what['viewport']['width']}-{what['color_scheme']}"


SEEN = [
    (state, look)
    for number, state in enumerate(STATES)
    for look in (LOOKS if shots_of.FOLDER else FEW[number % 2 :][:1])
]


@pytest.mark.parametrize(("state", "visit"), SEEN, indirect=["visit"], ids=word_for)
def test_a_sandbox_in_any_state_reads_well(
    visit: Visit,  # noqa: F811
    cast: Cast,  # noqa: F811
    use_backend: Use,  # noqa: F811
    state: Callable[[User, Use], None],
) -> None:
    state(cast.ada, use_backend)
    sign_in(visit)
    without_streams(visit)
    for place, address in PLACES.items():
        visit.go(address)
        if place == "lesson":
            expect(visit.page.locator("#sandbox-panel:not([aria-busy])")).to_have_count(1)
            if visit.page.locator("#board").get_attribute("data-mode") == "board":
                visit.page.locator("#chip").click()
            else:
                visit.page.locator("#sandbox-panel").scroll_into_view_if_needed()
        settled(visit, f"{state.__name__}-{place}")


def without_streams(visit: Visit) -> None:  # noqa: F811
    """This server has no sockets, and cannot stream in their place: that is refused before it is asked."""
    visit.page.route("**/live/**", lambda route: route.abort())


def settled(visit: Visit, name: str) -> None:  # noqa: F811
    shots_of.take(visit.page, f"state-{name}")
    assert visit.said == [], name
    assert_reads_well(visit.page, name)


@pytest.fixture
def errors(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.browser.error_urls"
    clear_url_caches()


@pytest.mark.parametrize("visit", LOOKS if shots_of.FOLDER else FEW, indirect=True, ids=word_for)
def test_every_error_page_reads_well(visit: Visit, cast: Cast, errors: None) -> None:  # noqa: F811
    sign_in(visit)
    for what in ("403", "403-form", "404", "429", "500"):
        visit.go(f"/errors/{what}/")
        visit.said[:] = [said for said in visit.said if "Failed to load resource" not in said]

        expect(visit.page.locator(".eyebrow")).to_have_text(what[:3])
        settled(visit, f"error-{what}")


def test_a_fault_from_before_the_page_was_opened_is_said_and_undone_on_the_board(
    visit: Visit,  # noqa: F811
    cast: Cast,  # noqa: F811
    use_backend: Use,  # noqa: F811
) -> None:
    slow_on_purpose(cast.ada, use_backend)
    sign_in(visit)
    without_streams(visit)
    visit.go("/lessons/first/")
    line = visit.page.locator("#broken")
    expect(line).to_contain_text("Broken by you: the network is slow")

    line.get_by_role("button", name="Undo it now").click()

    expect(line).to_be_hidden()
    assert not faults_in(cast.ada)
    assert visit.said == []


def test_a_fault_of_a_lab_is_said_to_be_on_purpose_and_not_to_undo(visit: Visit, cast: Cast) -> None:  # noqa: F811
    faults.book(ready_sandbox(cast.ada), Fault(kind="latency", ms=50), seconds=600, actor="check")
    sign_in(visit)
    without_streams(visit)
    visit.go("/lessons/first/")
    line = visit.page.locator("#broken")

    expect(line).to_contain_text("The network is slow on purpose: the lab did it, and ends it.")
    expect(line.get_by_role("button")).to_be_hidden()
    assert visit.said == []


# The news of what a press did comes before the answer to it.
NEWS_FIRST = """() => {
    const { open, send } = XMLHttpRequest.prototype;
    XMLHttpRequest.prototype.open = function (method, ...rest) {
        this.isPost = method === "POST";
        return open.call(this, method, ...rest);
    };
    XMLHttpRequest.prototype.send = function (body) {
        if (!this.isPost) return send.call(this, body);
        setTimeout(() => document.body.dispatchEvent(new CustomEvent("sandbox:changed")), 0);
        setTimeout(() => send.call(this, body), 1000);
    };
}"""


def test_the_answer_to_a_press_arrives_when_news_of_it_came_first(visit: Visit, cast: Cast) -> None:  # noqa: F811
    asleep(cast.ada, lambda name: None)
    sign_in(visit)
    without_streams(visit)
    visit.go("/lessons/first/")
    visit.page.evaluate(NEWS_FIRST)

    visit.page.locator("#wake").click()

    expect(visit.page.locator("#sandbox-panel")).to_contain_text("Your sandbox is waking")
    assert visit.said == []


def test_a_double_click_is_one_press(visit: Visit, cast: Cast) -> None:  # noqa: F811
    asleep(cast.ada, lambda name: None)
    sign_in(visit)
    without_streams(visit)
    visit.go("/lessons/first/")
    visit.page.evaluate(NEWS_FIRST)  # the answer takes a second, so the second click comes before it

    visit.page.locator("#wake").dblclick()

    expect(visit.page.locator("#sandbox-panel")).to_contain_text("Your sandbox is waking")
    assert visit.said == [], "no request was taken back for it"


def faults_in(ada: User) -> list[FaultRecord]:
    return list(FaultRecord.objects.filter(sandbox__owner=ada, undone_at=None))
