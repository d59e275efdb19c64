"""Static files under names that carry their content's hash, imports inside ES modules included."""

from collections.abc import Iterable
from typing import Any

from django.contrib.staticfiles.finders import AppDirectoriesFinder
from servestatic.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # servestatic is untyped
    """Hashes, compresses, and rewrites `import ... from "./x.js"` to the hashed names."""

    support_js_module_import_aggregation = True
    # One pass per level of imports: a module's hash changes with those it imports. A circle never settles.
    max_post_process_passes = 12
    # A name missing from the manifest is a mistake of ours: fail the page in tests, not silently in use.
    manifest_strict = True


class AppFiles(AppDirectoriesFinder):
    """The apps' files without django-htmx's other versions, some of which import what is not there."""

    unused = ("django_htmx/ext/*", "django_htmx/htm*-4*")

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        """As collectstatic asks: (path, storage) of every file."""
        return super().list([*(ignore_patterns or ()), *self.unused])
