"""Jars by Maven coordinates: the lock file, and fetching what it lists.

The lock holds one line per jar, `group:artifact:version[:classifier] sha256 bytes`, and no address: jgo knows
the central repository, and a mirror is a matter of the user's own jgo settings (~/.config/jgo.conf).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.install import certificates, tools
from config.install.faults import SetupFault, broken_download, unreachable, untrusted

# Loaded where something is fetched: every other start only compares sizes.
if TYPE_CHECKING:
    import requests
    from jgo.maven import Artifact, MavenContext

# jgo's own 10 s is short for a slow link; this is per read, not per file.
_TIMEOUT_S = 60
_THREADS = 8
_SOURCE = "the Maven repository"

Fetch = Callable[["Jar", Path], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One line of the lock. size in bytes; classifier "" for the plain jar."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        tail = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{tail}.jar"


def read_lock(lock: Path) -> tuple[Jar, ...]:
    """The jars a lock file lists, in its order."""
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return tuple(_jar(*words) for words in lines)


def _jar(coordinates: str, sha256: str, size: str) -> Jar:
    group, artifact, version, *classifier = coordinates.split(":")
    return Jar(
        group=group,
        artifact=artifact,
        version=version,
        classifier="".join(classifier),
        sha256=sha256,
        size=int(size),
    )


def context(cache: Path) -> MavenContext:
    """The repositories as jgo sees them, with the user's own mirrors when they have named some."""
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    return MavenContext(
        repo_cache=cache, timeout=_TIMEOUT_S, remote_repos=GlobalSettings.load().repositories or None
    )


def fetch_with_jgo(jar: Jar, cache: Path) -> Path:
    """Download one jar below `cache` and return where it lies."""
    project = context(cache).project(jar.group, jar.artifact)
    artifact: Artifact = project.at_version(jar.version).artifact(jar.classifier)
    with contextlib.suppress(OSError):
        (cache / artifact.component.path_prefix / artifact.filename).unlink(missing_ok=True)
    path = artifact.context.resolver.download(artifact)
    assert path is not None
    return path


def missing(jars: tuple[Jar, ...], folder: Path) -> list[Jar]:
    """The jars not in `folder`. By size: content is checked once, before a jar gets in there."""
    return [jar for jar in jars if not _has(folder / jar.filename, jar.size)]


def fetch_all(jars: list[Jar], folder: Path, *, fetch: Fetch = fetch_with_jgo) -> None:
    """Bring `jars` into `folder`, eight at a time; raises SetupFault.

    Each is moved in only after its sha256 was found right, so an interrupted run leaves whole files or none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    certificates.choose_for_requests(os.environ)
    cache = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            jobs = [pool.submit(_fetch_one, jar, folder, cache, fetch) for jar in jars]
            try:
                for job in jobs:
                    job.result()
            finally:
                for job in jobs:
                    job.cancel()
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _fetch_one(jar: Jar, folder: Path, cache: Path, fetch: Fetch) -> None:
    """Fetch, check, move in; a download that is broken or cut off is tried once more."""
    import requests

    for last in (False, True):
        try:
            path = fetch(jar, cache)
        except requests.RequestException as error:
            if last:
                raise _network_fault(jar, error) from None
            continue
        except RuntimeError as error:
            raise SetupFault(
                f"The Maven repository has no {jar.filename}.",
                "If you use a mirror, see that it serves the whole of the central repository.",
            ) from error
        if sha256_of(path) == jar.sha256:
            path.chmod(0o644)
            path.replace(folder / jar.filename)
            return
    raise broken_download(jar.filename)


def _network_fault(jar: Jar, error: requests.RequestException) -> SetupFault:
    import requests

    tools.note(f"{jar.filename}: {error!r}\n")
    fault = untrusted if isinstance(error, requests.exceptions.SSLError) else unreachable
    return fault(_SOURCE, log=str(tools.SETUP_LOG))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False
