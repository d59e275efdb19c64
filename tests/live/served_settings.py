"""The real settings, but for the names of static files: nothing was built for a site that serves no pages.

With COUNTED_QUERIES, the path of a file, a byte is added to it for every query.
"""

import os
from typing import Any

from django.db.backends.signals import connection_created

from config.settings import *  # noqa: F403

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


def _count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    with open(os.environ["COUNTED_QUERIES"], "ab") as counted:  # noqa: PTH123 - a byte, appended
        counted.write(b".")
    return execute(sql, params, many, context)


def _counting(connection: Any, **_: Any) -> None:
    connection.execute_wrappers.append(_count)


if os.environ.get("COUNTED_QUERIES"):
    connection_created.connect(_counting)
