"""Behind TLS (SECURE=1) Django has nothing to say against our settings, and cookies belong to the host."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

ASK = """
from django.conf import settings as s
import django
django.setup()
print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.DEBUG,
      s.SESSION_COOKIE_DOMAIN, s.SESSION_COOKIE_PATH, s.SECURE_HSTS_SECONDS >= 31536000)
"""


def run(*command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = (
        os.environ | {"DEMO": "0", "SECURE": "1", "PYTHONPATH": f"{REPO}:{REPO / 'platform'}"} | settings
    )
    return subprocess.run(
        [sys.executable, *command], cwd=REPO, env=environment, capture_output=True, text=True, timeout=60
    )


def test_the_deployment_check_is_clean() -> None:
    key = "x" * 25 + "0123456789abcdefghijklmnopqrstuvwxyz"
    checked = run(
        "manage.py", "check", "--deploy", "--tag", "security", "--fail-level", "WARNING", SECRET_KEY=key
    )

    assert checked.returncode == 0, checked.stderr


VISIT = """
import json, django
django.setup()
from django.test import Client
client = Client(headers={"Host": "localhost"})
plain = client.get("/accounts/password/reset/")
page = client.get("/accounts/password/reset/", headers={"X-Forwarded-Proto": "https"})
machine = client.get("/healthz/")
print(json.dumps([plain.status_code, plain["Location"], dict(page.headers), machine.status_code]))
"""


def test_behind_tls_a_page_says_so_for_a_year_and_plain_requests_are_sent_there(tmp_path: Path) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings", "MILLRACE_DATA": str(tmp_path)}
    visit = run("-c", VISIT, **settings)

    status, location, headers, machine = json.loads(visit.stdout.splitlines()[-1])

    assert (status, location) == (301, "https://localhost/accounts/password/reset/")
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert machine == 200


def test_cookies_behind_tls_belong_to_this_host_alone() -> None:
    said = run("-c", ASK).stdout.split()

    assert said == ["__Host-session", "__Host-csrf", "True", "True", "False", "None", "/", "True"]


PUBLIC = pytest.mark.parametrize(
    ("public", "said"),
    [
        ({"SECURE": "0", "BIND": "0.0.0.0"}, "listens on 0.0.0.0"),
        ({"SECURE": "0", "ALLOWED_HOSTS": "localhost,kafka.example.org"}, "answers for kafka.example.org"),
        ({"SECURE": "1"}, "is served over TLS"),
    ],
    ids=["address", "host name", "proxy with TLS"],
)


@PUBLIC
def test_demo_accounts_on_a_public_site_stop_it(public: dict[str, str], said: str) -> None:
    checked = run("manage.py", "check", DEMO="1", **public)

    assert checked.returncode == 1
    assert said in checked.stderr
    assert "Set DEMO=0" in checked.stderr


@PUBLIC
def test_debug_pages_on_a_public_site_stop_it(public: dict[str, str], said: str) -> None:
    checked = run("manage.py", "check", DEBUG="1", **public)

    assert checked.returncode == 1
    assert said in checked.stderr
    assert "Set DEBUG=0" in checked.stderr


def test_demo_accounts_on_this_machine_alone_are_fine() -> None:
    assert run("manage.py", "check", DEMO="1", SECURE="0").returncode == 0
