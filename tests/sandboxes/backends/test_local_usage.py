"""What sandboxes use is told truly: on either kind of account, with programs in namespaces of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sandboxes.backends.base import Usage
from sandboxes.backends.local import meter
from tests.sandboxes.backends.local_host import LocalHost, running_host, wait_until
from tests.sandboxes.isolation.conftest import users

pytestmark = pytest.mark.kafka

MIB = 1024 * 1024
HOLD = """
import os, time
held = bytearray(60 * 1024 * 1024)
for place in range(0, len(held), 4096): held[place] = 1
for _ in range(3):
    if os.fork() == 0:
        time.sleep(600)
until = time.process_time() + 1
while time.process_time() < until: pass
open("ready", "w").write("yes")
time.sleep(600)
"""


@pytest.fixture(scope="module", params=users(), ids=lambda user: "ordinary" if user else "as-we-are")
def host(request: pytest.FixtureRequest) -> Iterator[LocalHost]:
    with running_host(user=request.param) as host:
        yield host


def use_of(host: LocalHost, sandbox_id: str) -> Usage:
    """As it is now: what was known when we asked is kept for some seconds, and waited out."""

    def measured() -> list[tuple[int, float]]:  # a broker is never quite idle
        return [(one.memory_bytes, one.cpu_s) for one in host.backend.usage().values()]

    known = measured()
    wait_until(lambda: measured() != known, 60, lambda: "nothing new is told")
    return host.backend.usage()[sandbox_id]


def test_memory_time_and_processes_of_a_program_are_its_sandboxs(host: LocalHost) -> None:
    sandbox_id, other = host.start(), host.start()
    before = use_of(host, sandbox_id)
    workspace = host.backend.workspace(sandbox_id)
    workspace.write_file("hold.py", HOLD)
    run = workspace.start_program(path="hold.py")
    wait_until(
        lambda: "ready" in [one.path for one in workspace.list_files()], 60, lambda: "it does not hold"
    )

    during = use_of(host, sandbox_id)
    aside = host.backend.usage()[other]
    workspace.kill_program(run.program_id)
    after = use_of(host, sandbox_id)

    assert 55 * MIB < during.memory_bytes - before.memory_bytes < 110 * MIB
    assert during.cpu_s - before.cpu_s >= 1
    assert during.processes - before.processes >= 4
    assert after.processes == before.processes
    assert after.memory_bytes < during.memory_bytes - 50 * MIB
    assert after.cpu_s >= during.cpu_s  # what has ended was used all the same
    assert aside.processes == before.processes
    for name in (sandbox_id, other):
        host.destroy(name)


def test_the_shares_of_brokers_add_up_to_what_is_held(host: LocalHost) -> None:
    """The share of a page that three map is a third: the sum is the memory, not three times the archive."""
    names = [host.start() for _ in range(3)]
    wait_until(lambda: set(names) <= set(host.backend.usage()), 60, lambda: "not all are told of")

    seen = host.backend.usage()

    for name in names:
        assert 60 * MIB < seen[name].memory_bytes < 200 * MIB
        assert seen[name].disk_bytes > 0
        assert seen[name].processes == 3  # the keeper, and bubblewrap with the broker
    for name in names:
        host.destroy(name)


def test_a_process_that_has_gone_uses_nothing() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

    assert meter.memory_bytes(child) == 0
    assert meter.look([child]) == {}
    assert meter.look([os.getpid()])[os.getpid()].memory_bytes > MIB
