"""What nothing needs is frozen, and whoever needs it never meets it frozen."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from redis import Redis

from accounts.models import User
from sandboxes import freezing, leases, provisioning, reconcile, services, sweep
from sandboxes.backends.base import Backend, Fault
from sandboxes.backends.memory import MemoryBackend
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox, SandboxEvent
from tests.live.valkey import Valkey, running_valkey
from tests.sandboxes import doubles, invariants
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox, settle, sweep_and_settle

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture(autouse=True)
def redis(valkey: Valkey, settings: object) -> Iterator[Redis]:
    settings.REDIS_URL = valkey.url  # type: ignore[attr-defined]
    with Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def idle(ada: User) -> Sandbox:
    """A ready sandbox that nothing has needed for a while."""
    sandbox = ready_sandbox(ada)
    forget_need(sandbox)
    return sandbox


def forget_need(sandbox: Sandbox) -> None:
    Sandbox.objects.filter(pk=sandbox.pk).update(needed_at=long_ago())
    sandbox.refresh_from_db()


def long_ago() -> datetime:
    return timezone.now() - freezing.AFTER - timedelta(seconds=1)


def is_frozen(sandbox: Sandbox) -> bool:
    """In its row and in truth, which must agree."""
    sandbox.refresh_from_db()
    seen = backend_of(sandbox).observe(sandbox.hex).frozen
    assert seen is sandbox.frozen
    return seen


def backend_of(sandbox: Sandbox) -> Backend:
    return provisioning.backend_for(sandbox)


# -- when it is frozen -------------------------------------------------------------------------------------


def test_what_nothing_has_needed_for_a_while_is_frozen(idle: Sandbox) -> None:
    sweep_and_settle()

    assert is_frozen(idle)
    assert idle.now is State.READY
    invariants.check()


def test_the_question_who_uses_it_begins_with_a_whole_lease(idle: Sandbox, use_backend: Use) -> None:
    use_backend("LateBackend")

    reconcile.reconcile(idle.pk)

    (left_s,) = backend_of(idle).leases  # type: ignore[attr-defined]
    assert is_frozen(idle)
    assert left_s > leases.LEASE_S - 2


def test_what_was_used_a_moment_ago_is_not(ada: User) -> None:
    sandbox = ready_sandbox(ada)

    sweep_and_settle()

    assert not is_frozen(sandbox)


@pytest.mark.parametrize("key", ["live:watch:{}", "live:watch:attempt:{}"])
def test_what_is_watched_is_not(idle: Sandbox, redis: Redis, key: str) -> None:
    redis.set(key.format(idle.hex), 1)

    sweep_and_settle()

    assert not is_frozen(idle)


def test_a_watcher_counts_for_a_while_after_it_left(idle: Sandbox, redis: Redis) -> None:
    redis.set(f"live:watch:{idle.hex}", 1)
    sweep_and_settle()
    redis.flushall()  # it left, or Redis lost its keys

    sweep_and_settle()

    assert not is_frozen(idle)


def test_a_running_program_keeps_it_awake(idle: Sandbox) -> None:
    space = provisioning.workspace(idle)
    space.write_file("loop.py", "while True: pass")
    space.start_program(path="loop.py")
    forget_need(idle)

    sweep_and_settle()

    assert not is_frozen(idle)


def test_a_program_that_has_ended_does_not(idle: Sandbox) -> None:
    space = provisioning.workspace(idle)
    space.write_file("hello.py", "print(1)")
    space.start_program(path="hello.py")
    forget_need(idle)

    sweep_and_settle()

    assert is_frozen(idle)


def test_a_fault_keeps_it_awake(idle: Sandbox) -> None:
    services.inject_fault(idle, Fault(kind="latency", ms=50), seconds=60)
    forget_need(idle)

    sweep_and_settle()

    assert not is_frozen(idle)


@pytest.mark.parametrize("what", ["member", "transaction"])
def test_a_group_member_or_an_open_transaction_keeps_it_awake(
    idle: Sandbox, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandboxes.backends.memory.MemoryBackend.in_use", lambda self, name: what)

    sweep_and_settle()

    assert not is_frozen(idle)


def test_while_redis_cannot_say_who_watches_nothing_is_frozen(
    idle: Sandbox, settings: object, tmp_path: object
) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"  # type: ignore[attr-defined]

    sweep_and_settle()

    assert not is_frozen(idle)


# -- what it costs -----------------------------------------------------------------------------------------


def test_a_sweep_asks_nothing_of_those_that_are_as_they_should_be(
    django_user_model: type[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandboxes = [ready_sandbox(django_user_model.objects.create_user(f"s{n}")) for n in range(4)]
    Sandbox.objects.filter(pk__in=[s.pk for s in sandboxes[:2]]).update(needed_at=long_ago())
    sweep_and_settle()
    assert [is_frozen(sandbox) for sandbox in sandboxes] == [True, True, False, False]
    asked: list[str] = []

    class Listening(type(backend_of(sandboxes[0]))):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> object:
            if not name.startswith("_") and name not in {"store", "pace_s", "isolation"}:
                asked.append(name)
            return super().__getattribute__(name)

    backend: Backend = Listening(pace_s={}, store=doubles.shared)
    monkeypatch.setattr(provisioning, "backend_for", lambda _: backend)

    rung = sweep.sweep()

    assert rung == ()
    assert asked == ["look"]


def test_a_sleeping_clock_does_not_wake_what_is_frozen(idle: Sandbox) -> None:
    sweep_and_settle()
    Sandbox.objects.update(expires_at=timezone.now())

    sweep_and_settle()

    idle.refresh_from_db()
    assert (idle.now, idle.frozen) == (State.SUSPENDED, False)
    assert not SandboxEvent.objects.filter(sandbox=idle, new="thaw").exists()
    services.resume(idle)
    settle(idle)
    assert not is_frozen(idle)


# -- who needs it never meets it frozen --------------------------------------------------------------------


@pytest.fixture
def frozen(idle: Sandbox) -> Sandbox:
    sweep_and_settle()
    assert is_frozen(idle)
    return idle


def test_asking_for_the_way_in_thaws(frozen: Sandbox) -> None:
    provisioning.endpoint(frozen.pk)

    assert not is_frozen(frozen)


def test_asking_for_files_and_programs_thaws(frozen: Sandbox) -> None:
    provisioning.workspace(frozen).list_files()

    assert not is_frozen(frozen)


def test_a_copy_of_the_row_from_before_the_freeze_thaws_too(idle: Sandbox) -> None:
    before = Sandbox.objects.get(pk=idle.pk)
    sweep_and_settle()

    provisioning.workspace(before)

    assert not is_frozen(idle)


def test_breaking_something_thaws(frozen: Sandbox) -> None:
    services.inject_fault(frozen, Fault(kind="latency", ms=50), seconds=60)

    assert not is_frozen(frozen)


def test_a_freeze_and_a_thaw_are_written_down_once(frozen: Sandbox) -> None:
    for _ in range(3):
        provisioning.workspace(Sandbox.objects.get(pk=frozen.pk))

    acts = frozen.events.filter(kind=SandboxEvent.ACT).values_list("new", flat=True)
    assert list(acts) == ["freeze", "thaw"]


def test_a_broker_that_dies_while_it_is_frozen_is_repaired(frozen: Sandbox) -> None:
    with doubles.shared.changing() as entries:
        entries[frozen.hex]["started_at"] = None
        entries[frozen.hex]["frozen"] = False

    sweep_and_settle()

    assert not is_frozen(frozen)
    assert frozen.now is State.READY


# -- races -------------------------------------------------------------------------------------------------


def test_a_need_between_the_question_and_the_freeze_wins(
    idle: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody asks for the way in while the freezer asks its last question."""

    def ask(self: object, name: str) -> str:
        provisioning.endpoint(idle.pk)
        return ""

    monkeypatch.setattr("sandboxes.backends.memory.MemoryBackend.in_use", ask)

    sweep_and_settle()

    assert not is_frozen(idle)


def test_a_need_between_the_row_and_the_broker_is_thawed_again(
    idle: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row says frozen, the broker is not yet: who asks now thaws what is not frozen, and then it is."""
    freeze = MemoryBackend.freeze

    def after_somebody_asked(self: MemoryBackend, name: str) -> object:
        provisioning.endpoint(idle.pk)
        return freeze(self, name)

    monkeypatch.setattr(MemoryBackend, "freeze", after_somebody_asked)

    sweep_and_settle()

    assert not is_frozen(idle)


def test_a_page_that_opens_just_then_finds_it_thawed(
    idle: Sandbox, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze = MemoryBackend.freeze

    def while_a_page_opens(self: MemoryBackend, name: str) -> object:
        redis.set(f"live:watch:{name}", 1)
        return freeze(self, name)

    monkeypatch.setattr(MemoryBackend, "freeze", while_a_page_opens)

    sweep_and_settle()

    assert not is_frozen(idle)


@pytest.mark.parametrize("row_says", [True, False])
def test_a_worker_that_died_half_way_is_made_good_by_the_sweep(ada: User, row_says: bool) -> None:
    """Either only the row or only the broker was frozen when it died."""
    sandbox = ready_sandbox(ada)
    if row_says:
        Sandbox.objects.filter(pk=sandbox.pk).update(frozen=True)
    else:
        backend_of(sandbox).freeze(sandbox.hex)

    sweep_and_settle()

    assert not is_frozen(sandbox)


def test_an_old_worker_freezes_nothing(idle: Sandbox) -> None:
    """Its lease ran out while it asked; another worker's step came after."""

    def ask(self: object, name: str) -> str:
        Sandbox.objects.filter(pk=idle.pk).update(lease_until=None)
        assert leases.take(idle.pk)
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sandboxes.backends.memory.MemoryBackend.in_use", ask)
        reconcile.reconcile(idle.pk)

    assert not is_frozen(idle)
