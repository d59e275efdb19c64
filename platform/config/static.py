"""Static files: found as bundles or as modules, kept under names that carry their content's hash, and served
before a request becomes Django's.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import AppDirectoriesFinder, FileSystemFinder
from servestatic.asgi import ServeStaticASGI
from servestatic.middleware import ServeStaticMiddleware
from servestatic.storage import CompressedManifestStaticFilesStorage

from config import paths


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # servestatic is untyped
    """Hashes, compresses, and rewrites `import ... from "./x.js"` to the hashed names."""

    support_js_module_import_aggregation = True
    # One pass per level of imports: a module's hash changes with those it imports. A circle never settles.
    max_post_process_passes = 12
    # A name missing from the manifest is a mistake of ours: fail the page in tests, not silently in use.
    manifest_strict = True


class SiteFiles(FileSystemFinder):
    """Our own files; where bundles are served, without the modules and sheets they were made of."""

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        """As collectstatic asks: (path, storage) of every file."""
        sources = str(paths.BASE_DIR / "static") if is_bundled() else None
        for path, storage in super().list(ignore_patterns):
            if storage.location != sources or not path.startswith(("js/", "css/")):
                yield path, storage


class AppFiles(AppDirectoriesFinder):
    """The apps' files without django-htmx's other versions, some of which import what is not there."""

    unused = ("django_htmx/ext/*", "django_htmx/htm*-4*")

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        """As collectstatic asks: (path, storage) of every file."""
        return super().list([*(ignore_patterns or ()), *self.unused])


def is_bundled() -> bool:
    """Whether pages get bundles; otherwise they get the modules themselves."""
    return paths.BUNDLED_DIR in settings.STATICFILES_DIRS


@cache
def _needs() -> Mapping[str, list[str]]:
    needs: dict[str, list[str]] = json.loads((paths.ASSETS_DIR / "bundles.json").read_text())
    return needs


def needs_of(module: str) -> list[str]:
    """The further files that a page's module cannot begin without."""
    return _needs().get(module, []) if is_bundled() else []


class StaticFirst(ServeStaticMiddleware):  # type: ignore[misc]
    """An ASGI application in front of Django: a file that is there is sent, everything else passed on."""

    def __init__(self, application: Any) -> None:
        super().__init__(get_response=application)
        self.application = application

    __call__ = ServeStaticASGI.__call__
