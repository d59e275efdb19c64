"""Looks for known secrets wherever they must not be: as they stand, in base64 and in hex."""

from __future__ import annotations

import base64
import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

Place = tuple[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """secret: which one, by its name; where: the place; never the secret itself."""

    secret: str
    where: str


def search(secrets: Mapping[str, str], places: Iterable[Place]) -> set[Find]:
    """Every secret in every place that holds it."""
    forms = {name: forms_of(secret) for name, secret in secrets.items()}
    return {
        Find(secret=name, where=where)
        for where, content in places
        for name, variants in forms.items()
        if any(variant in content for variant in variants)
    }


def forms_of(secret: str) -> tuple[bytes, ...]:
    """How a secret may stand in a longer text; base64, as in Celery's bodies, begins at any of 3 places."""
    raw = secret.encode()
    within = (base64.b64encode(b"\0" * shift + raw) for shift in range(3))
    middles = (coded[4:-4] for coded in within)
    return (raw, raw.hex().encode(), quote(secret, safe="").encode(), *middles)


def files(folder: Path) -> Iterator[Place]:
    """Every file below, as it is now."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder.parent)), path.read_bytes()


def columns(database: Path) -> Iterator[Place]:
    """Every value of every column of every table."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as opened:
        tables = [row[0] for row in opened.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            asked = opened.execute(f'select * from "{table}"')
            names = [column[0] for column in asked.description]
            for row in asked:
                for name, value in zip(names, row, strict=True):
                    yield f"{table}.{name}", value if isinstance(value, bytes) else str(value).encode()


def command_lines(pids: Iterable[int]) -> Iterator[Place]:
    """What everybody on the machine may read of a process."""
    for pid in pids:
        with contextlib.suppress(OSError):
            argv = Path(f"/proc/{pid}/cmdline").read_bytes()
            yield f"the command line of {Path(os.fsdecode(argv.split(bytes(1))[0])).name}", argv
