"""Signing in and out: by either name, to a safe place, with a new session, and not without end."""

import re
import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import throttle
from tests import make

pytestmark = pytest.mark.django_db

SIGN_IN = "/accounts/login/"


@pytest.fixture
def ada() -> Any:
    return make.user("ada", password=make.PASSWORD, email="ada@example.org")


def sign_in(client: Client, login: str = "ada", password: str = make.PASSWORD, **more: str) -> Any:
    return client.post(SIGN_IN, {"login": login, "password": password, **more})


@pytest.mark.parametrize("login", ["ada", "ADA", "ada@example.org", "Ada@Example.org", " ada "])
def test_a_user_signs_in_by_user_name_or_e_mail_whatever_the_case(
    ada: Any, client: Client, login: str
) -> None:
    response = sign_in(client, login)

    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_signing_in_starts_a_new_session(ada: Any, client: Client) -> None:
    client.get(SIGN_IN)
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["millrace-session"] = str(session.session_key)
    before = session.session_key

    sign_in(client)

    assert client.session.session_key != before


def test_without_a_tick_the_session_ends_with_the_browser(ada: Any, client: Client) -> None:
    sign_in(client)
    assert client.session.get_expire_at_browser_close()

    client.logout()
    sign_in(client, remember="on")
    assert not client.session.get_expire_at_browser_close()


def test_after_signing_in_one_goes_on_to_the_page_that_was_asked_for(ada: Any, client: Client) -> None:
    assert sign_in(client, next="/accounts/password/change/").url == "/accounts/password/change/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "http:evil.example",
    ],
)
def test_signing_in_never_leads_to_another_site(ada: Any, client: Client, elsewhere: str) -> None:
    assert sign_in(client, next=elsewhere).url == "/"


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(ada: Any, client: Client) -> None:
    wrong = sign_in(client, password="wrong").content.decode()
    unknown = sign_in(client, login="nobody", password="wrong").content.decode()

    assert "That name and password do not belong together." in wrong
    assert wrong.split('id="err"')[1] == unknown.split('id="err"')[1]


def test_a_wrong_password_is_never_written_back_into_the_page(ada: Any, client: Client) -> None:
    assert "hunter2-wrong" not in sign_in(client, password="hunter2-wrong").content.decode()


def test_five_wrong_passwords_bring_a_pause_with_an_end(ada: Any, client: Client) -> None:
    for _ in range(5):
        assert sign_in(client, password="wrong").status_code == 200

    response = sign_in(client)

    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 300
    assert "Too many tries that failed. Wait 5 minutes, then sign in again." in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_last_try_before_the_pause_is_announced(ada: Any, client: Client) -> None:
    pages = [sign_in(client, password="wrong").content.decode() for _ in range(5)]

    assert "One more failed try" not in pages[2]
    assert "One more failed try brings a pause" in pages[3]


def test_the_pause_ends_by_itself(ada: Any, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(6):
        sign_in(client, password="wrong")
    late = time.time() + 301
    monkeypatch.setattr("time.time", lambda: late)

    assert sign_in(client).status_code == 302


def test_somebody_elses_wrong_passwords_do_not_keep_others_out(ada: Any, client: Client) -> None:
    for _ in range(6):
        sign_in(client, login="edsger", password="wrong")

    assert sign_in(client).status_code == 302


def test_a_successful_sign_in_does_not_count_as_a_try(ada: Any) -> None:
    for _ in range(8):
        assert sign_in(Client()).status_code == 302


def test_a_closed_account_is_told_so_and_not_signed_in(ada: Any, client: Client) -> None:
    ada.is_active = False
    ada.save()

    response = client.post(SIGN_IN, {"login": "ada", "password": make.PASSWORD}, follow=True)

    assert "This account is closed" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_signing_out_needs_a_post_and_ends_the_session(ada: Any, client: Client) -> None:
    client.force_login(ada)

    assert client.get("/accounts/logout/").status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_a_form_without_our_token_is_refused_and_says_what_to_do(ada: Any) -> None:
    strict = Client(enforce_csrf_checks=True)

    response = strict.post(SIGN_IN, {"login": "ada", "password": make.PASSWORD})

    assert response.status_code == 403
    assert "reload the page and send it again" in response.content.decode()


def test_the_token_of_the_page_is_taken_as_a_header_as_htmx_sends_it(ada: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    page = strict.get(SIGN_IN).content.decode()
    token = page.split('name="csrf-token" content="')[1].split('"')[0]

    response = strict.post(
        SIGN_IN, {"login": "ada", "password": make.PASSWORD}, headers={"X-CSRFToken": token}
    )

    assert response.status_code == 302


def test_sign_up_is_closed_unless_the_operator_opens_it(client: Client, settings: Any) -> None:
    settings.OPEN_SIGN_UP = False
    form = {"username": "eve", "password1": make.PASSWORD, "password2": make.PASSWORD}
    assert "Accounts are handed out here" in client.post("/accounts/signup/", form).content.decode()

    settings.OPEN_SIGN_UP = True
    assert client.post("/accounts/signup/", form).status_code == 302


def test_an_open_sign_up_makes_a_student_whatever_the_form_says(client: Client, settings: Any) -> None:
    from accounts.models import User

    settings.OPEN_SIGN_UP = True
    form = {"username": "eve", "password1": make.PASSWORD, "password2": make.PASSWORD}
    client.post("/accounts/signup/", {**form, "role": "admin", "is_superuser": "1", "is_demo": "1"})

    eve = User.objects.get(username="eve")
    assert (eve.role, eve.is_superuser, eve.is_demo) == ("student", False, False)


def test_changing_the_password_signs_the_other_machines_out(ada: Any, client: Client) -> None:
    other = Client()
    for machine in (client, other):
        machine.force_login(ada)

    response = client.post(
        "/accounts/password/change/",
        {"oldpassword": make.PASSWORD, "password1": "another horse 42", "password2": "another horse 42"},
        follow=True,
    )

    assert "Your password is changed." in response.content.decode()
    assert client.get("/accounts/password/change/").status_code == 200
    assert other.get("/accounts/password/change/").status_code == 302


@pytest.mark.parametrize("path", ["login", "signup", "password/reset", "inactive"])
def test_who_makes_and_opens_accounts_is_told_the_same_wherever_a_visitor_may_ask(
    client: Client, path: str
) -> None:
    page = client.get(f"/accounts/{path}/").content.decode()

    assert re.search("[Ww]hoever runs", page)
    assert "nstructor makes" not in page
    assert "sk your instructor" not in page


@pytest.mark.parametrize("role", ["instructor", "admin"])
def test_another_role_needs_a_new_session_everywhere(ada: Any, client: Client, role: str) -> None:
    """So a session that somebody got hold of before never has the rights that came later."""
    elsewhere = Client()
    for browser in (client, elsewhere):
        sign_in(browser)
        assert browser.get("/sandbox/why/").status_code == 200

    type(ada).objects.filter(pk=ada.pk).update(role=role)

    for browser in (client, elsewhere):
        assert browser.get("/sandbox/why/").status_code == 302
    assert sign_in(client).status_code == 302
    assert client.get("/sandbox/why/").status_code == 200


def test_signing_in_brings_a_new_token_and_a_new_password_another_session_too(
    ada: Any, client: Client
) -> None:
    client.get(SIGN_IN)
    seen = [identity(client)]
    sign_in(client)
    seen.append(identity(client))
    new = {"oldpassword": make.PASSWORD, "password1": "another long one", "password2": "another long one"}
    client.post("/accounts/password/change/", new)
    seen.append(identity(client))

    sessions, tokens = zip(*seen, strict=True)
    assert len(set(sessions)) == 3
    assert tokens[0] != tokens[1]
    assert client.get("/sandbox/why/").status_code == 200, "whoever changed it stays"


def identity(client: Client) -> tuple[str, str]:
    """Session and form token that this browser holds now."""
    return tuple(client.cookies[name].value if name in client.cookies else "" for name in COOKIES)  # type: ignore[return-value]


COOKIES = ("millrace-session", "millrace-csrf")


def test_a_demo_account_keeps_its_printed_password(client: Client) -> None:
    client.force_login(make.student("demo", is_demo=True))

    response = client.post(
        "/accounts/password/change/", {"oldpassword": "a", "password1": "b", "password2": "b"}
    )

    assert response.status_code == 403
    assert "shared" in response.content.decode()


def test_an_account_without_a_password_is_told_whom_to_ask_for_one(client: Client) -> None:
    guest = make.student()
    guest.set_unusable_password()
    guest.save()
    client.force_login(guest)

    assert "Ask whoever runs" in client.get("/accounts/password/change/").content.decode()


def test_without_a_mail_server_a_forgotten_password_page_says_whom_to_ask(client: Client) -> None:
    assert "Ask whoever runs" in client.get("/accounts/password/reset/").content.decode()


def test_asking_for_a_new_password_answers_the_same_for_known_and_unknown_addresses(
    ada: Any, client: Client, settings: Any
) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    answers = [
        client.post("/accounts/password/reset/", {"email": address}, follow=True).content.split(b"<main")[1]
        for address in ("ada@example.org", "nobody@example.org")
    ]

    assert b"Look into your mail" in answers[0]
    assert answers[0] == answers[1]


def test_the_mailed_link_works_once(ada: Any, client: Client, settings: Any, mailoutbox: list[Any]) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    client.post("/accounts/password/reset/", {"email": "ada@example.org"})
    link = mailoutbox[0].body.split("http://testserver")[1].split()[0]
    new = {"password1": "another horse 42", "password2": "another horse 42"}

    form = client.get(link, follow=True)
    done = client.post(form.request["PATH_INFO"], new, follow=True)

    assert b"Your password is changed" in done.content
    assert b"This link no longer works" in Client().get(link, follow=True).content
    assert sign_in(client, password="another horse 42").status_code == 302


def test_too_many_requests_say_when_to_come_back(client: Client, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "2/m/ip"}
    for _ in range(2):
        sign_in(client)

    response = sign_in(client)

    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "then try again" in response.content.decode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (40, "40 seconds"), (91, "2 minutes"), (300, "5 minutes"), (301, "6 minutes")],
)
def test_a_wait_is_said_in_words_and_never_too_short(seconds: int, words: str) -> None:
    assert throttle.in_words(seconds) == words


def test_the_names_allauth_reverses_are_routed() -> None:
    for name in ("login", "logout", "signup", "inactive", "reset_password", "change_password"):
        assert reverse(f"account_{name}").startswith("/accounts/")
