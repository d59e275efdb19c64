"""The gate on log lines is proven by suites of its own that it must fail, and by ones it must let pass."""

import pytest

from tests.gates.logs import alarms

ABOUT = """
import logging, pathlib, pytest
from tests.gates import logs

logger = logging.getLogger("site")
"""


def run(pytester: pytest.Pytester, body: str) -> pytest.RunResult:
    pytester.makepyfile(ABOUT + body)
    return pytester.runpytest_subprocess("-p", "tests.gates.logs")


@pytest.fixture(autouse=True)
def _findable(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # most of the time went into loading those


@pytest.mark.parametrize("level", ["warning", "error", "exception", "critical"])
def test_a_line_that_was_not_declared_fails_its_test(pytester: pytest.Pytester, level: str) -> None:
    result = run(pytester, f"def test_one():\n    logger.{level}('host.gone', extra={{'why': 'a reason'}})\n")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Logged, and not declared:", "* site host.gone why=a reason"])


@pytest.mark.parametrize("level", ["debug", "info"])
def test_what_is_no_alarm_passes(pytester: pytest.Pytester, level: str) -> None:
    run(pytester, f"def test_one():\n    logger.{level}('host.gone')\n").assert_outcomes(passed=1)


def test_a_declared_line_passes_and_another_one_beside_it_fails(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.logs("host.gone", "host.(late|slow)")
def test_declared():
    logger.error("host.gone")
    logger.warning("host.late")

@pytest.mark.logs("host.gone")
def test_another():
    logger.error("host.gone")
    logger.error("host.back")
""",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("ERROR site host.gone")


def test_a_line_while_a_fixture_ends_is_an_error_of_that_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def host():
    yield
    logger.error("host.left")

def test_one(host): pass
def test_two(): pass
""",
    )

    result.assert_outcomes(passed=2, errors=1)


def test_a_task_that_asyncio_finds_left_behind_fails_the_run(pytester: pytest.Pytester) -> None:
    """asyncio's "Task was destroyed but it is pending!" is a log line, written when the task is collected."""
    result = run(
        pytester,
        """
import asyncio

def test_one():
    loop = asyncio.new_event_loop()
    loop.create_task(asyncio.sleep(60)).loop = loop  # a circle: only the collector ends it
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
""",
    )

    assert result.parseoutcomes().get("errors", 0) + result.parseoutcomes().get("failed", 0) >= 1
    result.stdout.fnmatch_lines(["*Task was destroyed but it is pending!*"])


PROCESS = """
@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    with logs.watched(folder):
        yield folder / "web.log"
        with (folder / "web.log").open("a") as log:
            log.write({last!r})

def say(log, text):
    with log.open("a") as file:
        file.write(text)

{tests}
"""
LINE = "2026-11-02T10:31:07.120Z WARNING sandboxes.host host.slow took_s=3\n"


def test_a_line_of_a_process_fails_the_test_it_was_written_in(pytester: pytest.Pytester) -> None:
    tests = f"""
def test_before(site): say(site, "2026-11-02T10:31:07.120Z INFO web started\\n")
def test_guilty(site): say(site, {LINE!r})
def test_after(site): pass

@pytest.mark.logs("host.slow")
def test_declared(site): say(site, {LINE!r})
"""
    result = run(pytester, PROCESS.format(tests=tests, last=""))

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_guilty*"])


def test_what_a_process_says_while_it_stops_counts_too(pytester: pytest.Pytester) -> None:
    result = run(pytester, PROCESS.format(tests="def test_one(site): pass", last=LINE))

    result.assert_outcomes(passed=1, errors=1)


def test_the_entries_of_a_log_that_alarm() -> None:
    log = (
        "2026-11-02T10:31:07.120Z INFO web page.served path=/ERROR-page\n"
        "2026-11-02T10:31:08.000Z ERROR web page.failed\n    Traceback (most recent call last):\n"
        "    ValueError\n"
        '{"time": "2026-11-02T10:31:08Z", "level": "WARNING", "event": "host.slow"}\n'
        "Traceback (most recent call last):\nKeyError: 'x'\n"
        "77:M 02 Nov 2026 10:31:07.120 # WARNING Memory overcommit must be enabled! Without it...\n"
        "77:M 02 Nov 2026 10:31:07.120 * Ready to accept connections\n"
        "[2026-11-02 10:31:07,120: WARNING/MainProcess] consumer: Cannot connect\n"
    )

    found = alarms(log)

    assert [entry.split()[2].strip('",') if entry[0] != "{" else "json" for entry in found] == [
        "web",
        "json",
        "WARNING/MainProcess]",
    ]
    assert "ValueError" in found[0]
    assert "KeyError" in found[1]
