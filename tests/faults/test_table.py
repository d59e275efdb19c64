"""The table tells what happened: a case that fails, or proves less than it declares, stands in it as such."""

import pytest

SUITE = """
import pytest

@pytest.mark.fault("F3", "Redis restarted", holds="I1 I2")
@pytest.mark.parametrize("seconds", [1.5, 4.25])
def test_right(case, seconds):
    case.took(seconds)
    case.holds("I1", "I2")

@pytest.mark.fault("F11", "clock jumped", holds="I8")
@pytest.mark.parametrize("hours", [-1, 1])
def test_wrong(case, hours):
    case.holds("I8")
    assert hours > 0

@pytest.mark.fault("F2", "delivered twice", holds="I2 I8")
def test_shy(case):
    case.holds("I2")

@pytest.mark.fault("F4", "PostgreSQL restarted", holds="I6")
def test_absent(case):
    pytest.skip("there is none")

def test_beside_it(): pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_line_is_what_its_cases_came_to(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
    workers: str,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # most of the time went into loading those
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess(
        "-p", "tests.faults.table", "-p", "xdist.plugin", "--fault-table", "-n", workers
    )

    result.assert_outcomes(passed=5, failed=1, skipped=1, errors=1)
    table = [line for line in result.outlines if " | " in line]
    assert [[cell.strip() for cell in line.split("|")] for line in table] == [
        ["fault", "injected", "invariants", "result", "worst time", "cases"],
        ["F2", "delivered twice", "I2", "FAILS in 1", "-", "1"],
        ["F3", "Redis restarted", "I1 I2", "holds", "4.2 s", "2"],
        ["F4", "PostgreSQL restarted", "", "not run", "-", "1"],
        ["F11", "clock jumped", "I8", "FAILS in 1", "-", "2"],
    ]
    result.stdout.fnmatch_lines(["Declared, and not proved: I8"])
