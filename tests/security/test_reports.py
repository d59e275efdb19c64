"""Reports of the policy: each a bounded line without anything of a person, and never more than enough."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts.csp import REPORTS
from config import reports

OLD = "application/csp-report"
NEW = "application/reports+json"
SECRET = "planted-kq7w"


def old_form(**said: str) -> str:
    told = {
        "document-uri": f"http://testserver/lessons/{SECRET}/?q={SECRET}",
        "referrer": f"http://testserver/{SECRET}",
        "violated-directive": "style-src-elem",
        "blocked-uri": "inline",
        "script-sample": SECRET,
        "original-policy": "default-src 'none'",
    }
    return json.dumps({"csp-report": told | {name.replace("_", "-"): text for name, text in said.items()}})


def new_form(count: int = 1) -> str:
    body = {
        "documentURL": f"http://testserver/accounts/password/reset/key/1-{SECRET}/",
        "effectiveDirective": "script-src-elem",
        "blockedURL": f"https://evil.example/{SECRET}",
        "sample": SECRET,
    }
    report = {"type": "csp-violation", "url": body["documentURL"], "user_agent": SECRET, "body": body}
    return json.dumps([report | {"body": body | {"lineNumber": number}} for number in range(count)])


def send(client: Client, text: str | bytes, kind: str = OLD, address: str = "10.0.0.1") -> Any:
    return client.post(REPORTS, text, content_type=kind, REMOTE_ADDR=address)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [record for record in caplog.records if record.getMessage() == "csp.violated"]
    for record in found:
        assert SECRET not in str(vars(record))
    return [(vars(record)["directive"], vars(record)["route"]) for record in found]


@pytest.mark.logs("csp.violated")
@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        (old_form(), OLD, ("style-src-elem", "lessons/<slug:slug>/")),
        (
            new_form(),
            NEW,
            ("script-src-elem", "accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"),
        ),
        (old_form(violated_directive="img-src 'self' data:"), OLD, ("img-src", "lessons/<slug:slug>/")),
        (old_form(violated_directive=f"{SECRET}\nforged line"), OLD, ("other", "lessons/<slug:slug>/")),
        (old_form(document_uri=f"http://testserver/{SECRET}"), OLD, ("style-src-elem", "(none)")),
        (old_form(document_uri="http://[half"), OLD, ("style-src-elem", "(none)")),
        (new_form(count=3), NEW, ("script-src-elem", None)),
    ],
    ids=["old form", "new form", "with sources", "made-up directive", "made-up page", "no address", "many"],
)
def test_a_report_is_one_line_with_directive_and_route_and_no_more(
    client: Client, caplog: pytest.LogCaptureFixture, text: str, kind: str, line: tuple[str, str | None]
) -> None:
    answer = send(client, text, kind)

    assert answer.status_code == 204
    [(directive, route)] = lines(caplog)
    assert directive == line[0]
    assert line[1] is None or route.removeprefix("^") == line[1] or route.replace("^", "") == line[1]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        "3",
        '"x"',
        "[[]]",
        '{"csp-report": []}',
        '[{"body": 1}]',
        b"\xff\xfe",
        "[" * 9000,
    ],
    ids=repr,
)
def test_what_is_no_report_is_taken_and_forgotten(
    client: Client, caplog: pytest.LogCaptureFixture, body: str | bytes
) -> None:
    assert send(client, body).status_code == 204
    assert lines(caplog) == []


def test_what_an_add_on_put_into_a_page_is_no_matter_of_ours(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert send(client, old_form(blocked_uri="moz-extension")).status_code == 204
    assert lines(caplog) == []


def test_a_large_one_is_refused_unread(client: Client) -> None:
    assert send(client, "x" * (reports.LARGEST_BYTES + 1)).status_code == 413


@pytest.mark.logs("csp.violated")
def test_an_address_and_all_together_have_a_limit(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandboxes.limits.time.time", lambda: 1_000_000_010.0)
    mine = [send(client, old_form()) for _ in range(reports.PER_ADDRESS + 1)]
    others = [send(client, old_form(), address=f"10.0.1.{number}") for number in range(reports.LIMIT.times)]

    assert [answer.status_code for answer in mine] == [204] * reports.PER_ADDRESS + [429]
    assert 1 <= int(mine[-1]["Retry-After"]) <= 61
    assert b"Send the next one in" in mine[-1].content
    assert others[-1].status_code == 429
    assert len(lines(caplog)) == reports.LIMIT.times


def test_every_policy_says_where_to_report(client: Client) -> None:
    answer = client.get("/no/such/page/")

    assert f"report-uri {REPORTS}" in answer["Content-Security-Policy"]
