"""The control plane on real sandboxes: rows, steps and sweeps of the site, brokers of a host of its own.

Use the `site` fixture of this folder's conftest, or `running_site(...)` for a host on other ground.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from accounts.models import User
from lessons import grading
from lessons.checks import AttemptFacts, Fail, Pass, SandboxView, Verdict
from sandboxes import provisioning, services
from sandboxes.backends.base import Observation, Phase
from sandboxes.backends.local.backend import LocalBackend
from sandboxes.lifecycle import State as Life
from sandboxes.models import Sandbox
from sandboxes.observe import KafkaView
from tests import make
from tests.sandboxes import invariants
from tests.sandboxes.backends.local_host import LocalHost, running_host, wait_until
from tests.sandboxes.backends.test_local import broker_pid, consume, create_topic, processes_with, produce
from tests.sandboxes.driving import settle, sweep_and_settle

TOPIC = "orders"
_HERE: list[LocalHost] = []


def ThisHost() -> LocalBackend:  # noqa: N802  stands where a class would
    """The backend of the host that the running test has."""
    return LocalBackend(_HERE[-1].socket)


class Site:
    """What a test asks of it; `host` is the machine's side."""

    def __init__(self, host: LocalHost) -> None:
        self.host = host

    def ready(self, owner: User | None = None) -> Sandbox:
        """A student's sandbox that is up, with ten records in its topic."""
        sandbox = services.request_sandbox(owner or make.student())
        settle(sandbox, seconds=60)
        assert sandbox.now is Life.READY, sandbox
        create_topic(self.host, sandbox.hex, TOPIC)
        produce(self.host, sandbox.hex, TOPIC, self.records())
        return sandbox

    @staticmethod
    def records() -> list[str]:
        return [f"order {number}" for number in range(10)]

    def broker(self, sandbox: Sandbox) -> int:
        return broker_pid(self.host, sandbox.hex)

    def until(self, sandbox: Sandbox, phase: Phase) -> Observation:
        return self.host.until_phase(sandbox.hex, phase, within_s=30)

    def until_ready(self, *sandboxes: Sandbox, within_s: float = 60) -> None:
        """Sweep, as the site does every ten seconds, until all are up again."""

        def up() -> bool:
            sweep_and_settle(seconds=60)
            return all(Sandbox.objects.get(pk=one.pk).now is Life.READY for one in sandboxes)

        wait_until(up, within_s, lambda: f"not up: {[str(one) for one in Sandbox.objects.all()]}")

    def kept(self, sandbox: Sandbox) -> bool:
        """Its records are what they were."""
        return consume(self.host, sandbox.hex, TOPIC, len(self.records())) == self.records()

    def said(self, sandbox: Sandbox) -> list[str]:
        """What its events told the student."""
        return [event.detail for event in sandbox.events.all() if event.detail]

    def verdict(self, view: KafkaView) -> Verdict:
        """What the grader says of a task that asks for the topic's records."""
        facts = AttemptFacts(attempt_id="1", lab_id="5.1", nonce="n", seed=1, activated_at=0.0)
        return grading._call(_asks_for_records, view, facts)

    def view(self, sandbox: Sandbox) -> KafkaView:
        endpoint = provisioning.endpoint(sandbox.pk)
        return KafkaView(
            endpoint=endpoint, workspace=self.host.backend.workspace(sandbox.hex), faults=lambda: ()
        )

    def check(self) -> tuple[str, ...]:
        """The invariants of rows, and that nothing runs which no row wants; the names of those."""
        invariants.check()
        alive = {one.hex for one in Sandbox.objects.filter(wanted="present")}
        assert self.running() <= alive, f"orphans run: {self.running() - alive}"
        return ("I1", "I2", "I3")

    def running(self) -> set[str]:
        """Ids of sandboxes of ours that have processes on this machine, by what started them."""
        ours = {one.hex for one in Sandbox.objects.all()} | set(self.host.backend.inventory())
        return {name for name in ours if processes_with(f"/{name}/run")}


def _asks_for_records(view: SandboxView, _facts: AttemptFacts) -> Verdict:
    return Pass() if view.records(TOPIC) else Fail("NOTHING_THERE", "There are no records.")


@contextlib.contextmanager
def running_site(
    settings: object,
    *,
    limits: Mapping[str, float] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """The site's rows on a host of its own."""
    with running_host(limits=limits, environment=environment) as host:
        _HERE.append(host)
        settings.SANDBOX_BACKEND = f"{__name__}.ThisHost"  # type: ignore[attr-defined]
        provisioning._backend.cache_clear()
        try:
            yield Site(host)
        finally:
            _HERE.pop()
            provisioning._backend.cache_clear()


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that hangs, for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def log_dir(site: Site, sandbox: Sandbox) -> Path:
    return site.host.sandboxes / sandbox.hex / "data" / "k1" / "log"
