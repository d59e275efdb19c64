"""What every test gets: an installation of its own in a temporary directory, and no skip that hides."""

import os
import tempfile
from pathlib import Path

# Before Django is configured: tests never touch the developer's own installation, but share what set-up
# downloaded and built (jars, assets, AOT cache), which is read-only to them.
_REPO = Path(__file__).resolve().parents[1]
os.environ.setdefault("MILLRACE_CACHE", str(Path(os.environ.get("MILLRACE_DATA", _REPO / "var")) / "cache"))
os.environ["MILLRACE_DATA"] = tempfile.mkdtemp(prefix="millrace-test-")
os.environ["SECRET_KEY"] = "only-for-tests"
os.environ["DATABASE_URL"] = f"sqlite:///{os.environ['MILLRACE_DATA']}/tests.sqlite3"
os.environ.setdefault("SANDBOX_BACKEND", "memory")
# Playwright's synchronous API keeps an event loop in the test's thread; Django would refuse the ORM there.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

import pytest

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
def _plain_static_files(settings: object) -> None:
    """Pages under test use files as they are; the hashed names are proven by the browser tests."""
    settings.STORAGES = {  # type: ignore[attr-defined]
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
