"""What every test gets: real settings for its programs, an empty cache, no hidden skip or log line."""

import os
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, settings

from lessons import selectors
from sandboxes import estimates

pytest_plugins = (
    "tests.gates.logs",
    "tests.gates.seed",
    "tests.gates.litter",
    "tests.gates.groups",
    "tests.faults.table",
    "pytester",
)

# Our own settings are loaded by now; a program that a test starts is to run like the real one.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

# A busy machine is slow, which says nothing about the code under test.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

_skipped: list[str] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With MILLRACE_NO_SKIP=1 (CI) a skipped test is a failed run: this machine can run them all."""
    if _skipped and os.environ.get("MILLRACE_NO_SKIP") == "1":
        print("\nSkipped, which is not allowed here:", *_skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """Tries at signing in are counted in the cache; every test begins with none, and nothing measured."""
    cache.clear()
    estimates.forget()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _course_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read once in a test, however long a busy machine takes for it: tests count queries."""
    selectors.forget_course()
    monkeypatch.setattr(selectors, "FRESH_S", 3600.0)
