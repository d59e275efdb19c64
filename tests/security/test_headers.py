"""What every answer says of itself: a policy, no sniffing, no framing, nothing lent, nothing kept."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from accounts.csp import POLICY, editor_page
from tests.security.permissions import ROWS, Row
from tests.security.stage import Scene

PAGES = [row for row in ROWS if row.method == "GET"]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

KEPT_BY_NOBODY = {"private", "no-store"}


def directives(response: Any) -> dict[str, set[str]]:
    parts = [part.split() for part in response["Content-Security-Policy"].split(";")]
    return {part[0]: set(part[1:]) for part in parts if part}


@pytest.mark.parametrize("person", ["nobody", "ada"])
@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.path)
def test_every_page_carries_the_headers(scene: Scene, row: Row, person: str) -> None:
    response = scene.client(person).get(scene.fill(row.path))

    assert {name: response.get(name) for name in HEADERS} == HEADERS
    assert "camera=()" in response["Permissions-Policy"]
    assert "Cookie" not in response.get("Vary", "") or KEPT_BY_NOBODY & set(
        response["Cache-Control"].split(", ")
    )


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.path)
def test_no_page_of_a_signed_in_person_is_kept_for_whoever_presses_back(scene: Scene, row: Row) -> None:
    response = scene.client("ada").get(scene.fill(row.path))

    is_page = response.status_code == 200 and response["Content-Type"].startswith("text/html")
    assert not is_page or "no-store" in response["Cache-Control"].split(", ")


def test_a_strangers_page_may_come_back_at_once(client: Client, db: None) -> None:
    assert client.get("/accounts/login/")["Cache-Control"] != "private, no-store"


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.path)
def test_no_page_may_load_from_elsewhere_or_run_a_script_that_is_not_a_file_of_ours(
    scene: Scene, row: Row
) -> None:
    policy = directives(scene.client("ada").get(scene.fill(row.path)))

    assert policy["default-src"] == {"'none'"}
    assert policy["script-src"] == policy["connect-src"] == policy["font-src"] == {"'self'"}
    assert policy["frame-ancestors"] == policy["base-uri"] == {"'none'"}
    assert policy["form-action"] == {"'self'"}
    assert policy["require-trusted-types-for"] == {"'script'"}
    assert policy["img-src"] == {"'self'", "data:"}


def test_only_a_page_with_the_editor_may_set_styles_by_script() -> None:
    @editor_page
    def lesson(request: HttpRequest) -> HttpResponse:
        return HttpResponse("lesson")

    from csp.middleware import CSPMiddleware

    def policy_of(view: Any) -> dict[str, set[str]]:
        return directives(CSPMiddleware(view)(RequestFactory().get("/")))

    plain = policy_of(lambda request: HttpResponse("page"))
    assert policy_of(lesson) == plain | {"style-src": {"'self'", "'unsafe-inline'"}}
    assert plain["style-src"] == {"'self'"}
    assert POLICY["DIRECTIVES"]["style-src"] == ["'self'"]


@pytest.mark.parametrize("path", ["/no/such/page/", "/static/no-such-file.js"])
def test_a_missing_page_carries_them_too(client: Client, db: None, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert directives(response)["default-src"] == {"'none'"}


def test_the_missing_page_says_what_was_asked_for_and_runs_nothing_of_it(client: Client, db: None) -> None:
    page = client.get("/<script>alert(1)</script>/").content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.logs("page.failed")
def test_a_page_that_breaks_gives_a_reference_and_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("sandboxes.selectors.live_sandbox", broken)
    response = scene.client("ada").get("/sandbox/why/")

    page = response.content.decode()
    reference = page.split("<code>")[1].split("</code>")[0]
    assert response.status_code == 500
    assert "hunter2" not in page
    assert "Traceback" not in page
    noted = [record for record in caplog.records if getattr(record, "request", "") == reference]
    assert noted
    assert noted[0].exc_info
    assert response.headers["X-Request-ID"] == reference
    assert directives(response)["default-src"] == {"'none'"}


@pytest.mark.logs("page.failed")
def test_the_page_for_what_broke_needs_no_database(client: Client) -> None:
    from config.errors import broken

    response = broken(RequestFactory().get("/"))

    assert response.status_code == 500
    assert b"Ours, not yours" in response.content


@pytest.mark.logs("Invalid HTTP_HOST header")
def test_another_sites_name_in_the_host_header_is_refused(client: Client, db: None) -> None:
    assert client.get("/accounts/login/", headers={"Host": "evil.example"}).status_code == 400


def test_cookies_are_hidden_from_scripts_and_stay_with_this_site(scene: Scene) -> None:
    browser = Client()
    browser.post("/accounts/login/", {"login": "ada", "password": "correct horse battery staple"})
    session = browser.cookies["millrace-session"]
    token = browser.cookies["millrace-csrf"]

    assert all(cookie["httponly"] for cookie in (session, token))
    assert all(cookie["samesite"] == "Lax" for cookie in (session, token))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_in_the_page_before_any_script_runs(client: Client, db: None, theme: str) -> None:
    client.cookies["theme"] = theme

    assert f'data-theme="{theme}"' in client.get("/accounts/login/").content.decode()


def test_a_made_up_theme_is_no_theme(client: Client, db: None) -> None:
    client.cookies["theme"] = '"><script>'

    assert 'data-theme="auto"' in client.get("/accounts/login/").content.decode()
