"""Tests of one group run in one worker: their sites are set up once, and do not run side by side."""

import pytest

SUITE = """
import os, pytest

pytestmark = pytest.mark.xdist_group("one site")

@pytest.mark.parametrize("number", range(10))
def test_one(number):
    assert False, os.environ["PYTEST_XDIST_WORKER"]
"""


def test_a_group_stays_together(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-p", "xdist.plugin", "-n", "2", "--dist", "loadgroup")

    workers = [line.split()[-1] for line in result.outlines if "AssertionError: gw" in line]
    assert len(workers) >= 10
    assert len(set(workers)) == 1
