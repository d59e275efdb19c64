"""F12: the disk under the sandboxes is full, has no files left, or cannot be written to.

The host of these tests keeps its sandboxes on a small file system in a mount namespace of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from lessons.checks import State as Verdicts
from sandboxes import provisioning, services
from sandboxes.backends.base import BackendError, Phase, Spec
from sandboxes.lifecycle import State
from tests import make
from tests.faults.local_site import TOPIC, Site, log_dir, running_site
from tests.faults.table import Case
from tests.sandboxes.backends.local_host import wait_until
from tests.sandboxes.backends.test_local import client, create_topic
from tests.sandboxes.driving import settle

pytestmark = [pytest.mark.kafka, pytest.mark.django_db, pytest.mark.xdist_group("local faults")]

SIZE, FILES = "96m", 2000
MORE = f"{TOPIC}-more"
Damage = Callable[[Site], Callable[[], None]]
REFUSALS = ("sandbox.failed", "sandbox.not_saved", "sandbox.refused", "host.request_failed", "sandbox.ground")


@pytest.fixture
def small(settings: object, db: None) -> Iterator[Site]:
    """A site whose sandboxes live on a small disk."""
    with running_site(settings, environment={"TEST_DISK": f"size={SIZE},nr_inodes={FILES},mode=711"}) as site:
        yield site


def disk(site: Site) -> Path:
    return site.host.sandboxes


def fill(site: Site) -> Callable[[], None]:
    """Take all room there is; what gives it back."""
    filler = disk(site) / ".filler"
    with filler.open("wb", buffering=0) as stream:
        size = 1 << 20
        while size:
            try:
                stream.write(bytes(size))
            except OSError:
                size //= 2
    return filler.unlink


def use_up_files(site: Site) -> Callable[[], None]:
    folder = disk(site) / ".files"
    folder.mkdir()
    made: list[Path] = []
    with contextlib.suppress(OSError):
        while True:
            (folder / str(len(made))).touch()
            made.append(folder / str(len(made)))

    def give_back() -> None:
        for path in made:
            path.unlink()
        folder.rmdir()

    return give_back


def remount(site: Site, how: str) -> None:
    inside = str(site.host.directory / "sandboxes")
    within = ["nsenter", "-t", str(site.host.pid), "-m", *(["-U"] if os.geteuid() else [])]
    subprocess.run([*within, "mount", "-o", f"remount,{how}", inside], check=True)


def write_until_it_breaks(site: Site, hex_id: str) -> None:
    """Records until the broker can store no more."""
    producer = Producer(client(site.host, hex_id) | {"message.timeout.ms": "3000"})

    def broken() -> bool:
        producer.produce(MORE, os.urandom(50_000))
        producer.flush(4)
        return site.host.backend.observe(hex_id).phase is Phase.FAILED

    wait_until(broken, 60, lambda: "the broker goes on writing")


DAMAGES = [("disk full", fill), ("no files left on the disk", use_up_files)]
each_damage = pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, marks=pytest.mark.fault("F12", name, holds="I1 I2 I3 I5"), id=name)
        for name, damage in DAMAGES
    ],
)


@each_damage
@pytest.mark.logs(*REFUSALS)
def test_a_start_is_refused_with_a_sentence_and_works_once_there_is_room(
    small: Site, case: Case, damage: Damage
) -> None:
    neighbour = small.ready()
    view = small.view(neighbour)
    undo = damage(small)
    waiting = services.request_sandbox(make.student())
    with pytest.raises(BackendError) as refused:
        provisioning.backend_for(waiting).ensure(Spec(sandbox_id=waiting.hex))
    beside = small.verdict(view)
    undo()
    case.cleared()

    settle(waiting, seconds=60)
    case.converged()

    assert "is full" in refused.value.sentence
    assert refused.value.retryable
    # The other broker serves until it next writes down how far its records go, which is every five seconds.
    assert beside.state in {Verdicts.PASS, Verdicts.NOT_READY}, "nobody is judged by a disk of ours"
    assert waiting.now is State.READY
    small.until_ready(neighbour)
    assert small.kept(neighbour)
    case.holds("I5", *small.check())


@each_damage
@pytest.mark.logs(*REFUSALS)
def test_a_broker_that_could_not_write_comes_back_with_its_records(
    small: Site, case: Case, damage: Damage
) -> None:
    sandbox = small.ready()
    create_topic(small.host, sandbox.hex, MORE)
    undo = damage(small)
    write_until_it_breaks(small, sandbox.hex)
    seen = small.host.backend.observe(sandbox.hex)
    undo()
    case.cleared()

    small.until_ready(sandbox)
    case.converged()

    assert (seen.phase, seen.cause) == (Phase.FAILED, "machine_disk_full")
    assert "is full" in seen.detail
    assert small.kept(sandbox)
    case.holds("I5", *small.check())


@pytest.mark.fault("F12", "disk read-only at a start", holds="I1 I2 I3")
@pytest.mark.logs(*REFUSALS)
def test_a_read_only_disk_is_said_and_a_start_works_once_it_is_mended(small: Site, case: Case) -> None:
    remount(small, "ro")
    waiting = services.request_sandbox(make.student())
    with pytest.raises(BackendError) as refused:
        provisioning.backend_for(waiting).ensure(Spec(sandbox_id=waiting.hex))
    remount(small, "rw")
    case.cleared()

    settle(waiting, seconds=60)
    case.converged()

    assert "cannot be written to" in refused.value.sentence
    assert waiting.now is State.READY
    case.holds(*small.check())


@pytest.mark.fault("F12", "data directory read-only", holds="I1 I2 I3 I5")
@pytest.mark.logs(*REFUSALS)
def test_a_data_directory_without_rights_stops_one_broker_and_only_that(small: Site, case: Case) -> None:
    sandbox, neighbour = small.ready(), small.ready()
    untouched, folder = small.broker(neighbour), log_dir(small, sandbox)
    os.kill(small.broker(sandbox), signal.SIGKILL)
    small.until(sandbox, Phase.FAILED)
    folder.chmod(0o500)
    small.host.backend.ensure(Spec(sandbox_id=sandbox.hex))
    seen = small.until(sandbox, Phase.FAILED)
    folder.chmod(0o700)
    case.cleared()

    small.until_ready(sandbox, neighbour)
    case.converged()

    assert seen.detail.startswith("Your Kafka broker stopped while starting.")
    assert small.broker(neighbour) == untouched
    assert small.kept(sandbox)
    case.holds("I5", *small.check())


@pytest.mark.fault("F12", "disk full while a sandbox is deleted", holds="I1 I2 I3")
@pytest.mark.logs(*REFUSALS)
def test_a_full_disk_does_not_keep_a_sandbox_from_being_deleted(small: Site, case: Case) -> None:
    sandbox = small.ready()
    undo = fill(small)
    services.delete_sandbox(sandbox)
    settle(sandbox, seconds=30)
    case.converged()

    assert sandbox.now is State.DELETED
    assert small.host.backend.inventory() == ()
    undo()
    case.holds(*small.check())
