"""Backup, restore and upgrade as an operator does them: a real site, real Kafka, the real commands."""

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest

from config import paths
from config.backup import swap
from sandboxes.backends.base import Phase, ProgramRun, Workspace
from sandboxes.backends.local.backend import LocalBackend
from tests.config.test_up import Site, until
from tests.gates import logs, seed
from tests.sandboxes.backends.local_host import output_of

# On a busy machine a warm sandbox or a word to the pages may be late; neither is what is proven here.
LATE = pytest.mark.logs("pool.removed", "announce.lost")
pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("whole site"), LATE]

MAKES_RECORDS = """
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
settings = dict(line.split("=", 1) for line in open("kafka.properties").read().split())
admin = AdminClient(settings)
admin.create_topics([NewTopic("orders", 3)])["orders"].result(20)
producer = Producer(settings)
for number in range(500):
    producer.produce("orders", f"order {number}", key=str(number % 7))
assert producer.flush(20) == 0
print("all sent")
"""
READS_RECORDS = """
import json
from confluent_kafka import Consumer, TopicPartition
settings = dict(line.split("=", 1) for line in open("kafka.properties").read().split())
settings |= {"group.id": "readers", "enable.auto.commit": False}
consumer = Consumer(settings)
places = [TopicPartition("orders", number) for number in range(3)]
ends = {place.partition: consumer.get_watermark_offsets(place, timeout=20) for place in places}
committed = {place.partition: place.offset for place in consumer.committed(places, timeout=20)}
consumer.assign([TopicPartition("orders", number, low) for number, (low, _) in ends.items()])
values = set()
while len(values) < 500:
    record = consumer.poll(20)
    assert record is not None and record.error() is None, record
    values.add(record.value().decode())
highs = [TopicPartition("orders", number, high) for number, (_, high) in ends.items()]
consumer.commit(offsets=highs, asynchronous=False)
consumer.close()
json.dump({"ends": ends, "committed": committed, "values": sorted(values)}, open("found.json", "w"))
"""


class Ada:
    """Her browser, and the programs that run in her sandbox."""

    def __init__(self, site: Site) -> None:
        self.site, self.jar = site, CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.ask("/accounts/login/")
        self.ask("/accounts/login/", login="ada", password="millrace-ada")

    def ask(self, path: str, **form: str) -> str:
        data = urlencode({**form, "csrfmiddlewaretoken": self.token()}).encode() if form else None
        site = f"http://127.0.0.1:{self.site.port}"
        request = urllib.request.Request(f"{site}{path}", data, {"Referer": f"{site}/"})
        with self.browser.open(request) as answer:
            return str(answer.read().decode())

    def token(self) -> str:
        return next((cookie.value or "" for cookie in self.jar if cookie.name == "millrace-csrf"), "")

    def press_start(self) -> str:
        """Until it is ready and runs; the sandbox's id."""
        self.ask("/sandbox/start/", pressed="yes")
        assert until(self.is_up, within_s=120), self.state()
        return str(rows(self.site, MINE.format("sandboxes_sandbox.id"))[0][0])

    def is_up(self) -> bool:
        """Also by what runs: after a restart the row says ready, as before, until the first sweep."""
        found = rows(self.site, MINE.format("sandboxes_sandbox.id"))
        if self.state() == "suspended":  # the first sweep may find that it was unused for long
            self.ask("/sandbox/start/", pressed="yes")
        backend = LocalBackend(self.site.run_dir())
        return (
            self.state() == "ready"
            and backend.observe(uuid.UUID(str(found[0][0])).hex).phase is Phase.RUNNING
        )

    def state(self) -> str:
        found = rows(self.site, MINE.format("state"))
        return str(found[0][0]) if found else ""

    def run(self, sandbox: str, program: str) -> Workspace:
        """Until her program has ended well; her files."""
        workspace = LocalBackend(self.site.run_dir()).workspace(sandbox)
        workspace.write_file("program.py", program)
        run = workspace.start_program(path="program.py")
        ended: list[ProgramRun] = []

        def is_over() -> bool:
            ended[:] = [one for one in workspace.programs() if one.program_id == run.program_id]
            return not ended[0].running

        assert until(is_over, within_s=120)
        assert ended[0].exit_code == 0, output_of(workspace, run.program_id)
        return workspace


MINE = (
    "select {} from sandboxes_sandbox join accounts_user on owner_id = accounts_user.id "
    "where username = 'ada' and wanted = 'present'"
)


def rows(site: Site, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(f"file:{site.data / 'millrace.sqlite3'}?mode=ro", uri=True, timeout=10)
    with contextlib.closing(database):
        return database.execute(query).fetchall()


def manage(site: Site, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, str(paths.BASE_DIR / "manage.py"), *words]
    return subprocess.run(argv, env=site.env, capture_output=True, text=True, timeout=120)


def found(workspace: Workspace) -> dict[str, object]:
    told: dict[str, object] = json.loads(workspace.read_file("found.json").text)
    return told


@pytest.fixture(scope="module")
def with_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A stopped site in which Ada has a sandbox with 500 records and a committed group."""
    site = Site(tmp_path_factory.mktemp("lived-in") / "data")
    with logs.watched(site.data / "log"):
        site.start()
        ada = Ada(site)
        sandbox = ada.press_start()
        ada.run(sandbox, MAKES_RECORDS)
        ada.run(sandbox, READS_RECORDS)
        site.stop()
    yield site
    site.kill()


def has_everything(site: Site) -> None:
    """Ada signs in with her password, finds sandbox, files, records, and what her group has read."""
    with logs.watched(site.data / "log"):
        site.start()
        try:
            ada = Ada(site)
            told = found(ada.run(ada.press_start(), READS_RECORDS))
        finally:
            site.stop()
    assert told["values"] == sorted(f"order {number}" for number in range(500))
    assert sum(high for _, high in told["ends"].values()) == 500  # type: ignore[attr-defined]
    assert told["committed"] == {name: high for name, (_, high) in told["ends"].items()}  # type: ignore[attr-defined]


def test_what_a_stopped_site_held_is_there_again_in_another_place(with_work: Site, tmp_path: Path) -> None:
    made = manage(with_work, "backup", "--to", str(tmp_path / "a.tar.gz"))
    assert made.returncode == 0, made.stderr
    assert "the database, the key, 1 sandbox." in made.stdout
    assert "Not included" not in made.stdout

    other = Site(tmp_path / "data")
    put_back = manage(other, "restore", str(tmp_path / "a.tar.gz"))

    assert put_back.returncode == 0, put_back.stderr
    assert "Restored what was there at 20" in put_back.stdout
    assert "the database, the key, 1 sandbox." in put_back.stdout
    assert "What was here before" not in put_back.stdout
    has_everything(other)


def test_an_archive_that_is_in_place_is_not_said_to_have_changed_nothing(
    with_work: Site, tmp_path: Path
) -> None:
    made = manage(with_work, "backup", "--to", str(tmp_path / "a.tar.gz"))
    assert made.returncode == 0, made.stderr
    other = Site(tmp_path / "data")
    other.data.mkdir(exist_ok=True)
    (other.data / "log").write_text("a file where a folder belongs")

    stopped = manage(other, "restore", str(tmp_path / "a.tar.gz"))

    assert stopped.returncode == 1
    assert stopped.stderr.startswith("The archive is in place, but cannot be brought to this version's form:")
    assert rows(other, MINE.format("state")) == rows(with_work, MINE.format("state")) != []


def test_one_that_is_half_in_place_is_said_to_be(tmp_path: Path) -> None:
    site = Site(tmp_path / "data")
    site.data.mkdir()
    (site.data / swap.NOTE).write_text(json.dumps({"stage": swap.STAGE, "aside": "taken"}))
    (site.data / "taken").write_text("a file where the folder belongs")

    stopped = manage(site, "restore", str(tmp_path / "a.tar.gz"))

    assert stopped.returncode == 1
    assert "It is half in place" in stopped.stderr


def test_while_the_site_runs_what_is_awake_is_named_and_can_be_put_to_sleep_first(
    with_work: Site, tmp_path: Path
) -> None:
    with logs.watched(with_work.data / "log"):
        with_work.start()
        ada = Ada(with_work)
        sandbox = uuid.UUID(ada.press_start()).hex

        first = manage(with_work, "backup", "--to", str(tmp_path / "first.tar.gz"))
        assert first.returncode == 0, first.stderr
        assert "the database, the key, 0 sandboxes" in first.stdout
        assert f"{sandbox}  it is awake (ready)" in first.stdout
        assert "make backup SLEEP=1" in first.stdout
        assert ada.state() == "ready"

        second = manage(with_work, "backup", "--sleep", "--to", str(tmp_path / "second.tar.gz"))
        assert second.returncode == 0, second.stderr
        assert "Putting 1 sandbox to sleep" in second.stdout
        assert "the database, the key, 1 sandbox." in second.stdout
        assert ada.state() == "suspended"
        assert uuid.UUID(ada.press_start()).hex == sandbox, "it wakes as it always does"

        refused = manage(with_work, "restore", str(tmp_path / "second.tar.gz"))
        assert refused.returncode == 1
        assert refused.stderr.startswith("Millrace is already running: http://127.0.0.1:")
        assert "Stop it first (Ctrl-C)" in refused.stderr
        with_work.stop()

    other = Site(tmp_path / "data")
    assert manage(other, "restore", str(tmp_path / "second.tar.gz")).returncode == 0
    has_everything(other)


def test_what_was_there_before_is_kept_aside(with_work: Site, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    assert manage(with_work, "backup", "--to", str(archive)).returncode == 0
    (with_work.data / "sandboxes" / ("0" * 32)).mkdir()
    before = rows(with_work, "select count(*) from sandboxes_sandboxevent")

    put_back = manage(with_work, "restore", str(archive))

    aside = Path(re.findall(r"What was here before is in (\S+);", put_back.stdout)[0])
    assert (aside / "sandboxes" / ("0" * 32)).is_dir()
    assert (aside / "millrace.sqlite3").exists()
    assert rows(with_work, "select count(*) from sandboxes_sandboxevent") == before
    has_everything(with_work)


def test_a_backup_that_is_killed_leaves_no_archive_and_the_next_one_is_whole(
    with_work: Site, tmp_path: Path
) -> None:
    roll = seed.dice("killed backup")
    before = tree(with_work.data)
    for _ in range(4):
        writes = (tmp_path / "a.tar.gz.partial").exists
        killed(with_work, ("backup", "--to", str(tmp_path / "a.tar.gz")), writes, roll.uniform(0, 0.6))
        assert not (tmp_path / "a.tar.gz").exists() or is_whole(tmp_path / "a.tar.gz")
        (tmp_path / "a.tar.gz").unlink(missing_ok=True)

    assert manage(with_work, "backup", "--to", str(tmp_path / "a.tar.gz")).returncode == 0
    assert is_whole(tmp_path / "a.tar.gz")
    assert tree(with_work.data) == before


def test_a_restore_that_is_killed_loses_nothing(with_work: Site, tmp_path: Path) -> None:
    roll = seed.dice("killed restore")
    assert manage(with_work, "backup", "--to", str(tmp_path / "a.tar.gz")).returncode == 0
    for _ in range(4):
        begun = (with_work.data / "restore.new").exists
        killed(with_work, ("restore", str(tmp_path / "a.tar.gz")), begun, roll.uniform(0, 1.2))

    has_everything(with_work)
    assert not (with_work.data / "restore.json").exists()


def killed(site: Site, words: tuple[str, ...], begun: Callable[[], bool], seconds: float) -> None:
    """Kill the command so long after it has begun its work; it may have ended by then."""
    argv = [sys.executable, str(paths.BASE_DIR / "manage.py"), *words]
    with subprocess.Popen(
        argv, env=site.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        assert until(lambda: begun() or process.poll() is not None, within_s=60)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


def is_whole(archive: Path) -> bool:
    with tarfile.open(archive) as tar:
        return "manifest.json" in tar.getnames()


def tree(data: Path) -> set[str]:
    """Every file but the journals that SQLite keeps while somebody reads."""
    found = {str(path.relative_to(data)) for path in data.rglob("*")}
    return {name for name in found if not name.endswith(("-wal", "-shm"))}
