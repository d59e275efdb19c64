"""Behind TLS (SECURE=1) Django has nothing to say against our settings, and cookies belong to the host."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_cookies_behind_tls_belong_to_this_host_alone() -> None:
    said = run("-c", ASK).stdout.split()

    assert said == ["__Host-session", "__Host-csrf", "True", "True", "False", "None", "/", "True"]


def test_demo_accounts_on_a_public_address_stop_the_site() -> None:
    checked = run("manage.py", "check", DEMO="1", BIND="0.0.0.0")

    assert checked.returncode == 1
    assert "Set DEMO=0, or BIND=127.0.0.1." in checked.stderr
