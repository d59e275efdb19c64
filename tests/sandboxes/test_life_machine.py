"""All that happens to sandboxes, in any order, against a model.

Start, Stop, Delete, Start over, extend and hold; claims from a pool that grows and shrinks; idleness,
freezing, use and expiry; dead brokers, dead workers, lost doorbells and sweeps.

Hypothesis looks for a sequence that breaks an invariant and shrinks it; a failure prints the steps and the
seed to see it again (--hypothesis-seed).
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from accounts.models import Role, User
from sandboxes import expiry, freezing, placement, pool, provisioning, reconcile, services, sweep
from sandboxes.backends.base import Backend, BackendError, Fault, Observation
from sandboxes.errors import NotPossibleNow, NotReady
from sandboxes.lifecycle import ALIVE, State
from sandboxes.models import Cluster, PoolReservation, Sandbox
from tests.live.valkey import running_valkey
from tests.sandboxes import doubles, invariants
from tests.sandboxes.driving import settle, sweep_and_settle


class WorkerDied(BaseException):
    """Stands for kill -9: nothing of ours may catch it, so nothing is tidied up."""


class DyingBackend:
    """Raises WorkerDied at the call that was chosen, before or after making it."""

    def __init__(self, inner: Backend) -> None:
        self._inner, self._left, self._after = inner, -1, False

    def die_in(self, calls: int, *, after: bool) -> None:
        self._left, self._after = calls, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        return call if name == "workspace" or self._left < 0 else self._watched(call)

    def _watched(self, call: Any) -> Any:
        def watched(*args: object) -> Observation:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise WorkerDied
            answer: Observation = call(*args)
            if self._left == 0:
                raise WorkerDied
            return answer

        return watched


WHO = st.sampled_from(["ada", "edsger"])


class Life(RuleBasedStateMachine):
    """Two students and a pool. The model is what each of them last asked for: "none", "up" or "asleep".

    held: sandboxes that an instructor keeps awake.
    """

    redis: Redis

    @initialize(warm=st.integers(0, 2), is_up=st.booleans())
    def begin(self, warm: int, is_up: bool) -> None:
        PoolReservation.objects.all().delete()
        Sandbox.objects.all().delete()
        doubles.forget_everything()
        self.redis.flushdb()
        self.users = {name: User.objects.get_or_create(username=name)[0] for name in ("ada", "edsger")}
        self.grace = User.objects.get_or_create(username="grace", role=Role.INSTRUCTOR)[0]
        self.wishes = dict.fromkeys(self.users, "none")
        self.held: set[UUID] = set()
        if is_up:
            self.press_start("ada")
        self.reserve(warm)
        self.when_the_dust_has_settled_everybody_has_what_they_asked_for()

    def sandbox_of(self, who: str) -> Sandbox | None:
        return Sandbox.objects.filter(owner=self.users[who], wanted="present").first()

    # -- what students do: every doorbell may be lost -----------------------------------------------------

    @rule(who=WHO)
    def press_start(self, who: str) -> None:
        before = self.sandbox_of(who)
        services.request_sandbox(self.users[who])
        # Start while it is falling asleep is answered by the panel ("going to sleep"), not by a wake.
        if before is None or before.now is not State.SUSPENDING:
            self.wishes[who] = "up"

    @rule(who=WHO)
    def press_stop(self, who: str) -> None:
        if sandbox := self.sandbox_of(who):
            self.held.discard(sandbox.pk)
            state = services.stop_sandbox(sandbox)
            self.wishes[who] = "none" if state is State.DELETING else "asleep"

    @rule(who=WHO)
    def press_delete(self, who: str) -> None:
        if sandbox := self.sandbox_of(who):
            services.delete_sandbox(sandbox)
            self.wishes[who] = "none"

    @rule(who=WHO)
    def press_start_over(self, who: str) -> None:
        if sandbox := self.sandbox_of(who):
            services.start_over(sandbox)
            self.wishes[who] = "up"

    @rule(who=WHO, kind=st.sampled_from(["broker_stop", "latency"]))
    def break_something(self, who: str, kind: Any) -> None:
        if sandbox := self.sandbox_of(who):
            with suppress(NotPossibleNow, BackendError):
                services.inject_fault(sandbox, Fault(kind=kind), seconds=0)

    @rule(who=WHO, idle=st.booleans())
    def use_it(self, who: str, idle: bool) -> None:
        """Whoever is given a way in finds it awake, also when it was not needed for a while."""
        if idle:
            self.two_minutes_without_need()
        sandbox = self.sandbox_of(who)
        with suppress(NotReady, BackendError):
            if sandbox:
                provisioning.endpoint(sandbox.pk)
                assert not provisioning.backend_for(sandbox).observe(sandbox.hex).frozen
                assert not Sandbox.objects.get(pk=sandbox.pk).frozen

    @rule(who=WHO)
    def extend(self, who: str) -> None:
        if sandbox := self.sandbox_of(who):
            with suppress(NotPossibleNow):
                services.extend(sandbox)

    @rule(who=WHO, watched=st.booleans())
    def open_or_close_the_page(self, who: str, watched: bool) -> None:
        if sandbox := self.sandbox_of(who):
            key = f"live:watch:{sandbox.hex}"
            if watched:
                self.redis.set(key, 1)
            else:
                self.redis.delete(key)

    # -- what staff do ------------------------------------------------------------------------------------

    @rule(who=WHO)
    def hold(self, who: str) -> None:
        if sandbox := self.sandbox_of(who):
            with suppress(NotPossibleNow):
                services.hold(sandbox, until=timezone.now() + timedelta(hours=2), by=self.grace)
                self.held.add(sandbox.pk)

    @rule(count=st.integers(0, 2))
    def reserve(self, count: int) -> None:
        PoolReservation.objects.all().delete()
        if count:
            until = timezone.now() + timedelta(hours=1)
            cluster = placement.choose_cluster()
            services.reserve_pool(cluster, profile="kafka-1", count=count, until=until, reason="", by=None)

    # -- what the clock does ------------------------------------------------------------------------------

    @rule()
    def two_minutes_without_need(self) -> None:
        """Sweeps come meanwhile, and freeze what nobody watches."""
        long_ago = timezone.now() - freezing.AFTER - timedelta(seconds=30)
        Sandbox.objects.filter(state=State.READY).update(needed_at=long_ago)
        sweep_and_settle()

    @rule(who=WHO, held=st.booleans())
    def half_an_hour_without_use(self, who: str, held: bool) -> None:
        """It goes to sleep with the next sweep, unless somebody holds it awake."""
        if held:
            self.hold(who)
        sandbox = self.sandbox_of(who)
        if sandbox is None or sandbox.now not in ALIVE:
            return
        last_used = timezone.now() - expiry.IDLE - timedelta(seconds=1)
        expires_at = expiry.expiry_after(sandbox, last_used)
        Sandbox.objects.filter(pk=sandbox.pk).update(last_activity_at=last_used, expires_at=expires_at)
        sweep.sweep()
        if sandbox.pk not in self.held:
            self.wishes[who] = "asleep"

    # -- what workers do ----------------------------------------------------------------------------------

    @rule()
    def ring_for_all(self) -> None:
        for sandbox_id in Sandbox.objects.values_list("pk", flat=True):
            reconcile.reconcile(sandbox_id)

    @rule()
    def sweep_only(self) -> None:
        sweep.sweep()

    @rule(calls=st.integers(1, 6), after=st.booleans())
    def a_worker_dies(self, calls: int, after: bool) -> None:
        """Its lease stays taken, as a killed worker's does, and is made to run out."""
        inner = provisioning.backend_for(None)
        dying = DyingBackend(inner)
        dying.die_in(calls, after=after)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(provisioning, "backend_for", lambda _: dying)
            for sandbox_id in Sandbox.objects.values_list("pk", flat=True):
                try:
                    reconcile.reconcile(sandbox_id)
                except WorkerDied:
                    break
        Sandbox.objects.update(lease_until=None)

    @rule()
    def the_brokers_die(self) -> None:
        """Also those that are kept warm."""
        with doubles.shared.changing() as entries:
            for entry in entries.values():
                entry.update(started_at=None, frozen=False)

    # -- what must hold -----------------------------------------------------------------------------------

    @invariant()
    def every_row_is_right(self) -> None:
        invariants.check(settled=False)

    @rule()
    def when_the_dust_has_settled_everybody_has_what_they_asked_for(self) -> None:
        for _ in range(3):  # what one sweep removes from the pool, the next one replaces
            sweep_and_settle()
            settle(*Sandbox.objects.exclude(state=State.DELETED))
        invariants.check()
        for who, wish in self.wishes.items():
            sandbox = self.sandbox_of(who)
            wanted = {"none": None, "up": State.READY, "asleep": State.SUSPENDED}[wish]
            assert (sandbox.now if sandbox else None) == wanted, who
        for cluster in Cluster.objects.all():
            warm = Sandbox.objects.filter(owner=None, state=State.WARM, cluster=cluster)
            assert warm.count() >= pool.stock(cluster, "kafka-1").wanted

    def teardown(self) -> None:
        self.when_the_dust_has_settled_everybody_has_what_they_asked_for()


@pytest.mark.logs("pool.dead", "pool.removed")
@pytest.mark.django_db
@pytest.mark.parametrize("lives", [25, pytest.param(100, marks=pytest.mark.slow)])
def test_no_order_of_events_breaks_a_life(lives: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options = settings(
        max_examples=lives,
        stateful_step_count=40,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    with running_valkey() as valkey:
        monkeypatch.setattr(django_settings, "REDIS_URL", valkey.url)
        with Redis.from_url(valkey.url) as Life.redis:
            run_state_machine_as_test(Life, settings=options)
