"""Settings out of the environment: what cannot be is said in a sentence, before anything starts."""

import os
import subprocess

import pytest

from config import env, paths
from config.install import python


@pytest.mark.parametrize("value", ["80000", "0", "-3", "abc", ""])
def test_a_port_that_there_is_not_is_named_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PORT", value)

    with pytest.raises(env.BadSetting, match=rf"PORT is '{value}'\. .* from 1 to 65535\."):
        env.port("PORT", 8000)


def test_a_number_below_the_least_is_refused_and_the_least_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARM_POOL", "-1")
    with pytest.raises(env.BadSetting, match=r"of 0 or more\."):
        env.number("WARM_POOL", 2, least=0)

    monkeypatch.setenv("WARM_POOL", "0")
    assert env.number("WARM_POOL", 2, least=0) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "80000"),
        ("EMAIL_PORT", "0"),
        ("WARM_POOL", "-1"),
        ("KEEP_HISTORY_DAYS", "-1"),
        ("KEEP_AUDIT_DAYS", "999999999"),
        ("LIVE_TABS_PER_USER", "0"),
    ],
)
def test_a_command_says_which_setting_is_wrong_and_shows_no_traceback(name: str, value: str) -> None:
    done = subprocess.run(
        [str(python.PYTHON), "manage.py", "check"],
        cwd=paths.BASE_DIR,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode
    assert f"{name} is '{value}'. Set it to a whole number" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
