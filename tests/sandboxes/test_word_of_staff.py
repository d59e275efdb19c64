"""What a student reads when an instructor or admin has done something to their sandbox."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from config.backup import making
from sandboxes import services
from sandboxes.models import Sandbox, SandboxEvent
from tests import make
from tests.sandboxes.driving import ready_sandbox, settle

pytestmark = pytest.mark.django_db
HTMX = {"hx-request": "true"}
SAID = re.compile(r'data-said="staff">(.*?)</p>', re.DOTALL)


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def said_on(page: Client) -> str:
    """What is said of staff; a page says it once, or not at all."""
    told = SAID.findall(page.get("/sandbox/", headers=HTMX).content.decode())
    assert len(told) <= 1
    return " ".join(re.sub(r"<[^>]*>", "", told[0]).split()) if told else ""


def stop(sandbox: Sandbox, by: User) -> None:
    services.stop_sandbox(sandbox, by=by)
    settle(sandbox)


def over(sandbox: Sandbox, by: User) -> None:
    settle(services.start_over(sandbox, by=by), sandbox)


def delete(sandbox: Sandbox, by: User) -> None:
    services.delete_sandbox(sandbox, by=by)
    settle(sandbox)


def extend(sandbox: Sandbox, by: User) -> None:
    services.extend(sandbox, by=by)


def hold(sandbox: Sandbox, by: User) -> None:
    services.hold(sandbox, until=timezone.now() + timedelta(hours=1), by=by, reason="the talk")


@pytest.mark.parametrize(
    ("act", "did", "then"),
    [
        (stop, "An admin stopped your sandbox at", ""),
        (over, "An admin started your sandbox over at", "records and files of the one before are gone"),
        (delete, "An admin deleted your sandbox at", "Its topics, records and files are gone"),
        (extend, "An admin gave your sandbox more time at", ""),
        (hold, "An admin keeps your sandbox awake at", "the talk."),
    ],
)
def test_what_an_admin_does_is_said_with_who_when_and_what_became_of_it(
    page: Client, ada: User, act: Callable[[Sandbox, User], None], did: str, then: str
) -> None:
    act(ready_sandbox(ada), make.admin("root"))

    said = said_on(page)

    assert said.startswith(did), said
    assert re.search(r"at \d\d:\d\d UTC\.", said)
    assert then in said


@pytest.mark.parametrize("act", [stop, over, delete, extend])
def test_what_the_owner_does_is_not_said_of_staff(
    page: Client, ada: User, act: Callable[[Sandbox, User], None]
) -> None:
    act(ready_sandbox(ada), ada)

    assert said_on(page) == ""


def test_an_instructor_is_called_one(page: Client, ada: User) -> None:
    stop(ready_sandbox(ada), make.instructor("grace"))

    assert said_on(page).startswith("An instructor stopped your sandbox")


def test_a_stop_is_said_until_it_wakes(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    stop(sandbox, make.admin("root"))
    SandboxEvent.objects.update(at=timezone.now() - timedelta(hours=5))
    asleep = said_on(page)
    services.resume(sandbox)
    settle(sandbox)

    assert asleep.startswith("An admin stopped")
    assert said_on(page) == ""


def test_a_deletion_is_forgotten_once_the_owner_deletes_another(page: Client, ada: User) -> None:
    delete(ready_sandbox(ada), make.admin("root"))
    delete(ready_sandbox(ada), ada)

    assert said_on(page) == ""


def test_a_start_over_is_news_for_a_while_only(page: Client, ada: User) -> None:
    over(ready_sandbox(ada), make.admin("root"))
    SandboxEvent.objects.update(at=timezone.now() - timedelta(minutes=16))

    assert said_on(page) == ""


@pytest.mark.parametrize("act", [services.stop_sandbox, services.start_over, services.delete_sandbox])
@pytest.mark.parametrize("by", [make.admin, make.instructor])
def test_why_it_was_done_is_said_to_its_owner(
    page: Client, ada: User, act: Callable[..., object], by: Callable[[str], User]
) -> None:
    sandbox = ready_sandbox(ada)
    act(sandbox, by=by("root"), reason="The machine is moved.")
    settle(sandbox)

    assert said_on(page).endswith("The reason given: “The machine is moved”.")


def test_one_put_to_sleep_for_a_backup_says_so_until_it_wakes(
    page: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_ASLEEP_WITHIN_S", 0)
    sandbox = ready_sandbox(ada)
    making._put_all_to_sleep(lambda said: None)
    settle(sandbox)

    asleep = said_on(page)
    services.resume(sandbox)
    settle(sandbox)

    assert asleep.startswith("An admin stopped your sandbox at")
    assert asleep.endswith("The reason given: “to make a backup of it”.")
    assert said_on(page) == ""


@pytest.mark.parametrize("act", [services.stop_sandbox, services.delete_sandbox])
def test_where_no_reason_was_given_none_is_spoken_of(
    page: Client, ada: User, act: Callable[..., object]
) -> None:
    sandbox = ready_sandbox(ada)
    act(sandbox, by=make.admin("root"))
    settle(sandbox)

    assert said_on(page).startswith("An admin")
    assert "reason" not in said_on(page)


def test_a_reason_is_shown_as_text(page: Client, ada: User) -> None:
    sandbox, until = ready_sandbox(ada), timezone.now() + timedelta(hours=1)
    services.hold(sandbox, until=until, by=make.admin("root"), reason="<script>alert(1)</script>")

    shown = page.get("/sandbox/", headers=HTMX).content.decode()

    assert "&lt;script&gt;alert" in shown
    assert "<script>alert" not in shown
