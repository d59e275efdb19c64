"""The site's settings for tests: an installation of its own in a temporary directory, not yours.

pytest-django reads settings before any conftest, so the environment is prepared here. Programs that a test
starts inherit it and run with the real config.settings (tests/conftest.py).
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.gates import place

place.begin()
# Containers often forbid bytecode. Then each worker and each program of a test compiles everything anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "only")

if os.environ.get("MILLRACE_TEST_WORKER") != _WORKER:
    # What set-up downloaded and built (jars, assets, AOT cache) is shared: it is read-only to tests.
    _data = Path(os.environ.get("MILLRACE_DATA", Path(__file__).resolve().parents[1] / "var"))
    os.environ.setdefault("MILLRACE_CACHE", str(_data / "cache"))
    os.environ["MILLRACE_DATA"] = tempfile.mkdtemp(prefix="millrace-test-")
    os.environ["SECRET_KEY"] = "only-for-tests"
    os.environ["DATABASE_URL"] = f"sqlite:///{os.environ['MILLRACE_DATA']}/tests.sqlite3"
    os.environ.setdefault("SANDBOX_BACKEND", "memory")
    # A pool of its own would stand in every count of sandboxes; tests about it ask for one.
    os.environ.setdefault("WARM_POOL", "0")
    # Playwright's synchronous API keeps a loop in the test's thread; Django would refuse the ORM there.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    os.environ["MILLRACE_TEST_WORKER"] = _WORKER

from config import paths  # noqa: E402
from config.settings import *  # noqa: E402, F403

# Pages under test use files as they are; bundles and hashed names are proven by the browser tests.
STATICFILES_DIRS = [paths.VENDOR_DIR, BASE_DIR / "static"]  # noqa: F405
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SERVESTATIC_AUTOREFRESH = True
# No Redis runs beside unit tests; those that prove something about Redis start one.
CACHES = {"default": {"BACKEND": "config.cache.MemoryCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CELERY_BROKER_URL = "memory://localhost/"
# A real hash takes a third of a second, on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
