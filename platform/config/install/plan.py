"""The order of set-up: what needs what, and what runs side by side."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from config import paths
from config.install import assets, jars, kafka, node, site, student
from config.install.progress import Progress
from config.install.steps import Chain, run_side_by_side, run_step

# Each chain in its own thread; none touches the database.
FETCHED: tuple[Chain, ...] = (
    (kafka.JRE, jars.STEP, kafka.TEMPLATE, kafka.AOT),
    (node.STEP, assets.PACKAGES, assets.BUNDLES),
    (student.STEP,),
)
SITE: Chain = (site.DATABASE, site.COURSE, site.STATIC)


def fetch(progress: Progress) -> str:
    """What the sandboxes and the pages are made of; needs no database."""
    site.make_folders()
    if not all(step.is_current() for chain in FETCHED for step in chain):
        with _alone():
            run_side_by_side(FETCHED, progress)
    return ""


@contextmanager
def _alone() -> Iterator[None]:
    """Installations may share the cache; whoever comes second waits, and finds the work done."""
    with (paths.CACHE_DIR / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up(progress: Progress) -> str:
    """Bring this installation up to date; returns what there is to say about the first people."""
    site.make_folders()
    site.check_age()
    fetch(progress)
    for step in SITE:
        run_step(step, progress)
    told = site.first_people()
    connections.close_all()
    return told
