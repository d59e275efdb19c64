"""What machines and people are told while parts of the site are away; no address and no password among it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.security.test_deployment import REPO

# Nobody listens there.
AWAY = {
    "DATABASE_URL": "postgres://millrace:planted-hx42@127.0.0.1:1/none",
    "REDIS_URL": "redis://:planted-hx42@127.0.0.1:2/0",
    "SANDBOX_BACKEND": "local",
}
ASK = """
import json, logging, django
logging.disable()
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
told = {}
headers = {"Accept": "text/plain", "Host": "localhost"}
for path in ("/healthz/", "/readyz/", "/metrics", "/", "/accounts/login/"):
    answer = client.get(path, headers=headers)
    told[path] = [answer.status_code, answer.headers.get("Retry-After", ""), answer.content.decode()]
client.cookies["millrace-session"] = "x" * 32
for path in ("/lessons/first/", "/sandbox/why/", "/class/", "/console/sandboxes/"):
    answer = client.get(path, headers=headers)
    told[path] = [answer.status_code, answer.headers.get("Retry-After", ""), answer.content.decode()]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Path -> status, Retry-After and text, from a site of which only the web process is there."""
    data = tmp_path_factory.mktemp("away")
    environment = os.environ | AWAY | {"MILLRACE_DATA": str(data), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    environment["PYTHONPATH"] = f"{REPO}:{REPO / 'platform'}"
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=REPO, env=environment, capture_output=True, text=True, timeout=120
    )
    assert asked.returncode == 0, asked.stderr
    answers: dict[str, list[Any]] = json.loads(asked.stdout)
    return answers


def test_the_process_itself_is_healthy(told: dict[str, list[Any]]) -> None:
    assert told["/healthz/"][0] == 200


def test_every_part_that_is_away_is_named_with_what_follows(told: dict[str, list[Any]]) -> None:
    status, _, text = told["/readyz/"]
    parts = {line.split(":")[0].removeprefix("WAIT").strip(): line for line in text.splitlines()}

    assert status == 503
    assert set(parts) == {"database", "migrations", "redis", "host", "worker", "sweep"}
    assert all(line.startswith("WAIT") and line.endswith(".") for line in parts.values())


def test_figures_are_told_without_what_only_the_database_knows(told: dict[str, list[Any]]) -> None:
    status, _, text = told["/metrics"]

    assert status == 200
    assert "millrace_http_requests_total" in text
    assert "millrace_backend_up 0.0" in text
    assert "millrace_queue_length" not in text


@pytest.mark.parametrize("path", ["/", "/lessons/first/", "/sandbox/why/", "/class/", "/console/sandboxes/"])
def test_a_page_that_needs_the_database_says_when_to_come_back(told: dict[str, list[Any]], path: str) -> None:
    status, wait, text = told[path]

    assert (status, wait) == (503, "10")
    assert "Ours, not yours" in text
    assert "The site cannot reach its database just now. Reload in a moment" in text
    assert '<a class="solid" href="">Try again</a>' in text


def test_the_sign_in_page_needs_none(told: dict[str, list[Any]]) -> None:
    assert told["/accounts/login/"][0] == 200


def test_nobody_learns_an_address_or_a_password(told: dict[str, list[Any]]) -> None:
    for _, _, text in told.values():
        assert "planted-hx42" not in text
        assert "127.0.0.1:" not in text
        assert "Traceback" not in text
