"""Tests of one group run in one worker: their sites are set up once, and do not run side by side."""

import pytest

SUITE = """
import os, pytest

pytestmark = {mark}

@pytest.mark.parametrize("number", range(10))
def test_one(number):
    assert False, os.environ["PYTEST_XDIST_WORKER"]
"""
INI = "[pytest]\nmarkers =\n    slow: takes long\n"


def workers(pytester: pytest.Pytester, mark: str) -> list[str]:
    """Which worker ran each of ten tests."""
    pytester.makeini(INI)
    pytester.makepyfile(SUITE.format(mark=mark))
    plugins = ("-p", "xdist.plugin", "-p", "tests.gates.groups")
    result = pytester.runpytest_subprocess(*plugins, "-n", "2", "--dist", "loadgroup", "--tb=line")
    return [line.split()[-1] for line in result.outlines if ": AssertionError: gw" in line]


@pytest.fixture(autouse=True)
def _findable(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.parametrize("mark", ['pytest.mark.xdist_group("one site")', "pytest.mark.slow"])
def test_a_group_and_a_slow_module_stay_together(pytester: pytest.Pytester, mark: str) -> None:
    ran_in = workers(pytester, mark)

    assert len(ran_in) == 10
    assert len(set(ran_in)) == 1


def test_quick_tests_are_spread(pytester: pytest.Pytester) -> None:
    assert len(set(workers(pytester, "[]"))) == 2
