import pytest

SUITE = """
from hypothesis import given, settings, strategies as st
from tests.gates.seed import dice

def test_dice(): print("rolled", dice("mine").random())

@settings(max_examples=3, database=None)
@given(st.integers(0, 10**9))
def test_drawn(number): print("drawn", number)
"""

PLUGINS = ("-p", "tests.gates.seed", "-p", "_hypothesis_pytestplugin")


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    pytester.makepyfile(SUITE)
    return pytester.runpytest_subprocess(*PLUGINS, "-s", *options)


def rolled(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "rolled" in line or "drawn" in line]


@pytest.fixture(autouse=True)
def _findable(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # most of the time went into loading those
    monkeypatch.delenv("MILLRACE_SEED")


def test_a_run_says_its_seed_first(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-q")

    result.assert_outcomes(passed=2)
    assert result.outlines[0].startswith("Seed: MILLRACE_SEED=")


def test_the_same_seed_rolls_the_same(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(pytester)
    said = first.outlines[[line.startswith("Seed") for line in first.outlines].index(True)]
    monkeypatch.setenv(*said.removeprefix("Seed: ").split("="))
    again = run(pytester)
    monkeypatch.setenv("MILLRACE_SEED", "1")
    other = run(pytester)

    assert len(rolled(first)) > 3
    assert rolled(first) == rolled(again)
    assert rolled(first) != rolled(other)


def test_every_worker_of_a_run_has_the_same_seed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import os\ndef test_seed():\n    assert False, os.environ['MILLRACE_SEED']\n")
    result = pytester.runpytest_subprocess(*PLUGINS, "-p", "xdist.plugin", "-n", "1")

    seed = next(line for line in result.outlines if line.startswith("Seed: ")).rpartition("=")[2]
    result.stdout.fnmatch_lines([f"*AssertionError: {seed}", f"To see the same again: MILLRACE_SEED={seed}"])
