"""Steps of the site itself: folders, database, course, first people, static files. They need Django."""

import io
import os
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from config import paths
from config.install.faults import SetupFault
from config.install.stamps import OWN, tree_fingerprint
from config.install.steps import Step
from lessons.models import CourseVersion

_LESSONS = paths.BASE_DIR / "lessons"
# Passable but not listable for the sandboxes' users; private for everybody else.
_MODES = {paths.DATA_DIR: 0o711, paths.LOG_DIR: 0o700, paths.RUN_DIR: 0o700, paths.CACHE_DIR: 0o755}


def make_folders() -> None:
    """The data directory and its parts, with the rights they need; the database file private from birth."""
    for folder, mode in _MODES.items():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
    if connection.vendor == "sqlite":
        database = Path(settings.DATABASES["default"]["NAME"])
        os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))


def database_is_current() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def check_age() -> None:
    """Raises SetupFault when the database was used by a newer version: its form is not known here."""
    loader = MigrationLoader(connection)
    newer = sorted(set(loader.applied_migrations) - set(loader.disk_migrations))
    if newer:
        raise SetupFault(
            "This data was last used by a newer version of Millrace: "
            f"this one does not know {'.'.join(newer[-1])}.",
            "Update the project to that version or a later one, or put a backup of this version back: "
            "make restore FROM=path.",
        )


def migrate() -> str:
    """Bring the database to today's form; a new one has no course yet, whatever the stamp says."""
    OWN.forget("course")
    call_command("migrate", interactive=False, verbosity=0)
    return ""


def _course_mark() -> str:
    return tree_fingerprint([_LESSONS], settings.DATABASE_URL)


def course_is_current() -> bool:
    return OWN.is_fresh("course", _course_mark())


def load_course() -> str:
    """Load the course; when it has mistakes, the last good one goes on being served, if there is one."""
    try:
        told = _said_by("load_course")
    except CommandError as error:
        if CourseVersion.objects.filter(current=True).exists():
            return f"not loaded: {error}"
        raise SetupFault(
            "The course has mistakes and cannot be shown.", "Mend the lines named above, then run this again."
        ) from error
    OWN.write("course", _course_mark())
    return told.splitlines()[-1] if told else ""


def _static_mark() -> str:
    folders = [Path(folder) for folder in settings.STATICFILES_DIRS]
    packages = (paths.BASE_DIR / "requirements" / "base.txt").read_text()
    return tree_fingerprint(folders, str(settings.STATIC_ROOT), packages)


def static_is_current() -> bool:
    return (Path(settings.STATIC_ROOT) / "staticfiles.json").exists() and OWN.is_fresh(
        "static", _static_mark()
    )


def collect_static() -> str:
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    OWN.write("static", _static_mark())
    return ""


def first_people() -> str:
    """Make the first accounts where they are missing; what the command says is for the person who waits."""
    return _said_by("ensure_demo_users")


def _said_by(command: str) -> str:
    out = io.StringIO()
    call_command(command, stdout=out)
    return out.getvalue().strip()


DATABASE = Step(title="Database", is_current=database_is_current, run=migrate)
COURSE = Step(title="Course", is_current=course_is_current, run=load_course)
STATIC = Step(title="Static files", is_current=static_is_current, run=collect_static)
