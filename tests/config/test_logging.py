"""A log line: what stands in it, who cannot forge one, and what is never in one."""

import io
import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from django.test import RequestFactory
from structlog.contextvars import bound_contextvars

from config import env, paths
from config import logging as log_lines
from config.redaction import REDACTED, redact_text

SECRET = "hunter2-canary"


class Written:
    """A logger of its own whose lines are kept."""

    def __init__(self, form: str) -> None:
        self.out = io.StringIO()
        handler = logging.StreamHandler(self.out)
        handler.setFormatter(log_lines.formatter(form))
        self.log = logging.getLogger("sandboxes.test")
        self.log.propagate, self.log.handlers = False, [handler]
        self.log.setLevel(logging.INFO)

    @property
    def text(self) -> str:
        return self.out.getvalue()

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.text)
        return fields


def raised() -> ValueError:
    """An error that has been on its way."""
    with pytest.raises(ValueError) as caught:
        raise ValueError("the reason")
    return caught.value


@pytest.fixture
def line() -> Written:
    return Written("line")


@pytest.fixture
def machine() -> Written:
    return Written("json")


def test_a_line_is_time_level_logger_event_and_fields(line: Written) -> None:
    line.log.info("sandbox.ready", extra={"took_s": 0.8, "why": "all is well", "sandbox": "1f3a"})

    stamp, rest = line.text.split(" ", 1)
    assert stamp.endswith("Z")
    assert rest == 'INFO sandboxes.test sandbox.ready took_s=0.8 why="all is well" sandbox=1f3a\n'


def test_what_is_bound_stands_in_every_line_that_follows(line: Written) -> None:
    with bound_contextvars(request="my-id", sandbox="1f3a"):
        line.log.info("one")
        line.log.warning("two", extra={"sandbox": "its own"})
    line.log.info("three")

    one, two, three = line.text.splitlines()
    assert one.endswith("one sandbox=1f3a request=my-id")
    assert two.endswith('two sandbox="its own" request=my-id')
    assert three.endswith("three")


def test_for_machines_a_line_is_one_object_with_the_same_fields(machine: Written) -> None:
    with bound_contextvars(request="my-id"):
        machine.log.warning("sandbox.failed", extra={"count": 3, "why": "two\nlines"})

    assert machine.text.count("\n") == 1
    assert machine.fields.pop("time")
    assert {name: value for name, value in machine.fields.items() if name != "time"} == {
        "level": "WARNING",
        "logger": "sandboxes.test",
        "event": "sandbox.failed",
        "count": 3,
        "why": "two\nlines",
        "request": "my-id",
    }


@pytest.mark.parametrize("value", [2**80, "\ud800", {1: "a number as a key"}, b"bytes", object(), [{"a": 1}]])
@pytest.mark.parametrize("form", ["line", "json"])
def test_no_value_is_too_odd_to_be_written(form: str, value: object) -> None:
    written = Written(form)
    written.log.info("odd", extra={"value": value})

    assert "odd" in written.text
    assert written.text.isascii()
    assert form == "line" or json.loads(written.text)["event"] == "odd"


@pytest.mark.parametrize(
    "forged", ["\n2026-01-01T00:00:00.000Z ERROR x y", "\r\n2026", "\x1b[31mred", "\u2028x"]
)
def test_nobodys_text_can_pass_for_a_line_of_ours(line: Written, forged: str) -> None:
    line.log.info("page.missing", extra={"path": forged})
    line.log.info("a library says %s", forged)

    begun = [one for one in line.text.split("\n") if one.startswith("20")]
    assert len(begun) == 2
    assert "\x1b" not in line.text
    assert "\r" not in line.text


def test_a_traceback_is_kept_and_indented(line: Written) -> None:
    line.log.error("it.broke", exc_info=raised())

    assert "\n    Traceback (most recent call last):" in line.text
    assert line.text.endswith("\n    ValueError: the reason\n")


def test_for_machines_a_traceback_is_a_field(machine: Written) -> None:
    machine.log.error("it.broke", exc_info=raised())

    assert machine.fields["exception"].endswith("ValueError: the reason")


def test_djangos_request_object_does_not_take_the_place_of_our_id(machine: Written) -> None:
    with bound_contextvars(request="my-id"):
        machine.log.error("Not Found", extra={"request": RequestFactory().get("/?q=1"), "status_code": 404})

    assert machine.fields["request"] == "my-id"
    assert machine.fields["status_code"] == 404


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password1",
        "METRICS_TOKEN",
        "csrf-token",
        "Cookie",
        "Authorization",
        "sasl.jaas.config",
        "secret_key",
        "credentials",
        "api_key",
    ],
)
@pytest.mark.parametrize("form", ["line", "json"])
def test_a_field_whose_name_says_secret_is_not_written(form: str, name: str) -> None:
    written = Written(form)
    written.log.info("settings", extra={name: SECRET, "config": {name: SECRET, "acks": "all"}})

    assert SECRET not in written.text
    assert REDACTED in written.text
    assert "all" in written.text


@pytest.mark.parametrize(
    "text",
    [
        f"cannot connect to postgres://site:{SECRET}@db.example/site",
        f"sasl.password={SECRET} refused",
        f"{{'sasl.username': 'platform', 'sasl.password': '{SECRET}'}}",
        f'{{"password": "{SECRET} with spaces"}}',
        f"Authorization: Bearer {SECRET}",
        f"Cookie: theme=dark; millrace-session={SECRET}",
        f"Set-Cookie: x={SECRET}; HttpOnly",
        f"GET /?token={SECRET}&x=1",
        f"sent csrfmiddlewaretoken={SECRET}",
    ],
)
@pytest.mark.parametrize("form", ["line", "json"])
def test_a_secret_in_a_librarys_own_words_is_cut_out(form: str, text: str) -> None:
    written = Written(form)
    written.log.warning(text)
    written.log.warning("it.said", extra={"why": text})
    written.log.error("it.broke", exc_info=ValueError(text))

    assert SECRET not in written.text
    assert written.text.count(REDACTED) >= 3
    if form == "json":
        assert all(json.loads(one) for one in written.text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "CSRF token missing.",
        "The password is too short.",
        "mail to ada@example.org",
        "Cookies are off",
        "a: b=c",
    ],
)
def test_words_about_secrets_are_left_alone(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(("name", "value"), [("LOG_FORMAT", "xml"), ("LOG_LEVEL", "LOUD")])
def test_a_form_or_level_that_there_is_not_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(env.BadSetting, match=f"{name} is '{value}'. Set it to "):
        log_lines.from_environment()


LIBRARIES = """
import logging, warnings
from uvicorn import Config
Config("config.asgi:application")  # uvicorn sets up its own logging, before it loads the site
import django
django.setup()
from celery.signals import setup_logging
from config.celery import app
app.log.setup(loglevel="INFO")
for name in ("uvicorn.error", "celery.worker.consumer", "django.channels.server", "django.security", "kombu"):
    logging.getLogger(name).warning("a word of %s", name)
logging.getLogger("uvicorn.error").info("started", extra={"color_message": "never"})
kombu = logging.getLogger("kombu.transport.virtual.base")
kombu.warning("Requeuing undeliverable message for queue %r: No consumers.", "grade")
kombu.warning("another warning")
"""


def test_the_libraries_lines_go_the_same_way_each_once() -> None:
    place = {"PYTHONPATH": f"{paths.BASE_DIR}{os.pathsep}{paths.BASE_DIR / 'platform'}", "LOG_FORMAT": "json"}
    done = subprocess.run(
        [sys.executable, "-c", LIBRARIES], env={**os.environ, **place}, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    lines = [json.loads(one) for one in done.stderr.splitlines()]
    assert [one["event"] for one in lines] == [
        "a word of uvicorn.error",
        "a word of celery.worker.consumer",
        "a word of django.channels.server",
        "a word of django.security",
        "a word of kombu",
        "started",
        "another warning",
    ]
    assert "color_message" not in done.stderr
