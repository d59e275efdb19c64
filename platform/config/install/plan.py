"""The order of set-up: what needs what, and what runs side by side."""

from django.db import connections

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
    run_side_by_side(FETCHED, progress)
    return ""


def set_up(progress: Progress) -> str:
    """Bring this installation up to date; returns what there is to say about the first people."""
    fetch(progress)
    for step in SITE:
        run_step(step, progress)
    told = site.first_people()
    connections.close_all()
    return told
