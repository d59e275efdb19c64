"""The gate on what is left behind is proven by runs of its own that leave something."""

import tempfile
import time
from pathlib import Path

import pytest

from tests.gates import place

SITE = """
from tests.gates import place

place.begin()
pytest_plugins = ("tests.gates.litter",)


def pytest_configure():
    from tests.gates import litter
    litter.GRACE_S = {grace_s}
"""


@pytest.fixture(autouse=True)
def _findable(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv(place.NAME)


def run(pytester: pytest.Pytester, body: str, *options: str, grace_s: float = 60) -> pytest.RunResult:
    pytester.makeconftest(SITE.format(grace_s=grace_s))
    pytester.makepyfile("import os, subprocess, sys, tempfile, time\n" + body)
    return pytester.runpytest_subprocess("-s", *options)


def told(result: pytest.RunResult, word: str) -> str:
    return next(line for line in result.outlines if word in line).partition(word)[2].strip()


def is_running(pid: int) -> bool:
    """A zombie is not; whose child it has become is not for us to say."""
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and command.read_bytes() != b""


MAKES = """
def test_folders():
    print("MADE", tempfile.mkdtemp())
    program = "import tempfile; print('BELOW', tempfile.mkdtemp())"
    print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout)
    assert False
"""


def test_folders_that_a_failed_test_and_its_program_made_are_gone(pytester: pytest.Pytester) -> None:
    result = run(pytester, MAKES)

    result.assert_outcomes(failed=1)
    places = [Path(told(result, word)) for word in ("MADE", "BELOW")]
    assert places[0].parent == places[1].parent != Path(tempfile.gettempdir())
    assert not places[0].parent.exists()


def test_the_folders_of_workers_are_gone_too(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SITE.format(grace_s=60))
    pytester.makepyfile("import tempfile\ndef test_one():\n    assert False, tempfile.mkdtemp()\n")
    result = pytester.runpytest_subprocess("-p", "xdist.plugin", "-n", "1")

    place = Path(told(result, "AssertionError:"))
    assert not place.exists()
    assert not place.parent.exists()


STAYS = """
def test_starts():
    pid = subprocess.Popen(["sleep", "{seconds}"], start_new_session=True).pid
    while b"sleep" not in open(f"/proc/{{pid}}/cmdline", "rb").read():
        time.sleep(0.01)
    print("PID", pid)
"""


def test_a_process_that_stays_fails_the_run_and_is_ended(pytester: pytest.Pytester) -> None:
    result = run(pytester, STAYS.format(seconds=600), grace_s=0.5)

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    pid = int(told(result, "PID"))
    result.stdout.fnmatch_lines(["Still running after the last test:", f"  {pid} sleep 600*"])
    until = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_process_may_take_a_moment_to_end(pytester: pytest.Pytester) -> None:
    result = run(pytester, STAYS.format(seconds=1))

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
