"""An installation that the first working slice wrote is brought up by this version with nothing lost.

first_slice/ holds what its own processes left: the database as SQL, and Ada's sandbox with 500 records, a
committed group, her files, a lab with a verdict that failed and one that passed.
"""

import contextlib
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.test_backup_site import has_everything, manage
from tests.config.test_up import Site

FIRST_SLICE = Path(__file__).with_name("first_slice")
# What set-up writes anew at each start; sign-ins begin anew with an upgrade.
_OURS = {"django_migrations", "sqlite_sequence", "django_session", "auth_permission", "django_content_type"}

Rows = dict[str, list[dict[str, object]]]


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Site]:
    """A data directory as the first slice left it."""
    site = Site(tmp_path / "data")
    site.data.mkdir(mode=0o711)
    with opened(site) as database:
        database.executescript((FIRST_SLICE / "database.sql").read_text())
    yield site
    site.kill()


@contextlib.contextmanager
def opened(site: Site) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(site.data / "millrace.sqlite3")) as database, database:
        yield database


def all_rows(site: Site) -> Rows:
    """Every table's rows, by column."""
    with opened(site) as database:
        database.row_factory = sqlite3.Row
        tables = [
            str(row[0]) for row in database.execute("select name from sqlite_master where type='table'")
        ]
        return {
            name: [dict(row) for row in database.execute(f'select * from "{name}" order by 1')]
            for name in tables
            if name not in _OURS
        }


def test_every_row_that_was_there_is_there_with_all_it_said(old: Site) -> None:
    before = all_rows(old)

    done = manage(old, "migrate")

    assert done.returncode == 0, done.stderr
    after = all_rows(old)
    assert sum(len(rows) for rows in before.values()) >= 30
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]] if rows else []
        assert kept == rows, table


@pytest.mark.parametrize("words", [("prepare",), ("up",)], ids=["prepare", "up"])
def test_a_database_of_a_newer_version_is_refused_in_a_sentence_and_left_alone(
    old: Site, words: tuple[str, ...]
) -> None:
    with opened(old) as database:
        database.execute(
            "insert into django_migrations(app, name, applied) values ('sandboxes', '0999_x', '2027-01-01')"
        )
    before = all_rows(old)

    refused = manage(old, *words)

    assert refused.returncode == 1
    assert (refused.stdout + refused.stderr).strip() == (
        "This data was last used by a newer version of Millrace: this one does not know sandboxes.0999_x.\n"
        "Update the project to that version or a later one, or put a backup of this version back: "
        "make restore FROM=path."
    )
    assert all_rows(old) == before


def _as_it_was(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    """Ours, so to be trusted: users and modes are what is tested."""
    return member


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.xdist_group("whole site")
@pytest.mark.logs("pool.removed", "announce.lost")
def test_a_student_finds_records_files_and_verdicts_where_they_left_them(old: Site) -> None:
    with tarfile.open(FIRST_SLICE / "sandboxes.tar.gz") as tar:
        # As root each sandbox belongs to a user of its own, whose number is part of its data.
        # Python before 3.11.4 knows no filter, and needs none.
        tar.extraction_filter = _as_it_was
        tar.extractall(old.data / "sandboxes")
    (old.data / "sandboxes").chmod(0o711)
    before = all_rows(old)

    has_everything(old)

    after = all_rows(old)
    for table in ("accounts_user", "lessons_attempt", "lessons_verdictrow", "lessons_answer"):
        assert [row["id"] for row in after[table]][: len(before[table])] == [
            row["id"] for row in before[table]
        ]
    assert [row["points"] for row in after["lessons_taskprogress"]] == [4, 0, 0, 0]
    assert after["sandboxes_sandbox"][0]["id"] == before["sandboxes_sandbox"][0]["id"]
    home = old.data / "sandboxes" / str(before["sandboxes_sandbox"][0]["id"])
    assert (home / "work" / "notes.md").read_text() == "mine\n"


def test_one_setting_moves_all_that_an_installation_owns(tmp_path: Path) -> None:
    site = Site(tmp_path / "elsewhere" / "data")
    del site.env["MILLRACE_CACHE"]
    code = (
        "from config import paths; "
        "print(*(value for name, value in vars(paths).items() if isinstance(value, paths.Path)"
        " and name != 'BASE_DIR' and not value.is_relative_to(paths.RUN_DIR)), sep='\\n')"
    )

    said = manage(site, "shell", "--no-imports", "-c", code).stdout.split()

    assert len(said) > 10
    assert all(Path(place).is_relative_to(site.data) for place in said), said
