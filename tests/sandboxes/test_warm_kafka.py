"""Warm starts and proofs with real brokers: the claimed one works, use is seen, no trace is left."""

import contextlib
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from accounts.models import User
from config import paths
from sandboxes import freezing, pool, proof, provisioning, services
from sandboxes.backends.base import BackendError, KafkaEndpoint
from sandboxes.backends.local import handshake
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from sandboxes.stagehand import TopicWish, ensure_topics
from tests.bench import processes
from tests.sandboxes import invariants
from tests.sandboxes.backends.local_host import LocalHost, running_host, wait_until
from tests.sandboxes.driving import settle, sweep_and_settle
from tests.sandboxes.test_freezing import forget_need
from tests.sandboxes.test_pool import moves

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host


@pytest.fixture
def running(host: LocalHost) -> Iterator[str]:
    sandbox_id = host.start()
    yield sandbox_id
    host.destroy(sandbox_id)


@pytest.fixture
def site(host: LocalHost, settings: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The control plane on that host, with one warm sandbox."""
    settings.SANDBOX_BACKEND = "local"  # type: ignore[attr-defined]
    settings.WARM_POOL = 1  # type: ignore[attr-defined]
    monkeypatch.setattr(paths, "HOST_SOCKET", host.socket)
    provisioning._backend.cache_clear()
    sweep_and_settle(seconds=60)
    yield Cluster.objects.get()
    for name in host.backend.inventory():
        host.destroy(name)


def endpoint_of(host: LocalHost, sandbox_id: str) -> KafkaEndpoint:
    endpoint = host.backend.observe(sandbox_id).endpoint
    assert endpoint
    return endpoint


def topics_of(endpoint: KafkaEndpoint) -> set[str]:
    return set(AdminClient(dict(endpoint.client_config())).list_topics(timeout=10).topics)


def acked(endpoint: KafkaEndpoint, topic: str) -> bool:
    producer = Producer({**endpoint.client_config(), "log_level": 0})
    producer.produce(topic, b"one")
    return producer.flush(20) == 0


# -- proof -------------------------------------------------------------------------------------------------


def test_a_proof_leaves_nothing_behind(host: LocalHost, running: str) -> None:
    host.backend.prove(running)

    assert topics_of(endpoint_of(host, running)) == set()


def test_a_stopped_process_neither_answers_nor_is_proven(host: LocalHost, running: str) -> None:
    broker = processes.named(host.keeper_pid(running), "kafka.Kafka")
    os.kill(broker, signal.SIGSTOP)
    try:
        answered = host.backend.answers(running)
        with pytest.raises(BackendError, match="did not give back a record"):
            host.backend.prove(running)
    finally:
        os.kill(broker, signal.SIGCONT)

    assert not answered
    wait_until(lambda: host.backend.answers(running), 10, lambda: "it stays silent")


def test_a_member_of_a_group_is_seen_until_it_leaves(host: LocalHost, running: str) -> None:
    endpoint = endpoint_of(host, running)
    ensure_topics(endpoint, [TopicWish(name="orders")])
    consumer = Consumer({**endpoint.client_config(), "group.id": "audit", "group.protocol": "consumer"})
    consumer.subscribe(["orders"])
    wait_until(lambda: bool(consumer.poll(0.1) or consumer.assignment()), 30, lambda: "it never joined")
    joined = host.backend.in_use(running)

    consumer.close()

    assert joined == "member"
    wait_until(lambda: host.backend.in_use(running) == "", 30, lambda: "the group stays")


def test_an_open_transaction_is_seen_until_it_ends(host: LocalHost, running: str) -> None:
    endpoint = endpoint_of(host, running)
    ensure_topics(endpoint, [TopicWish(name="ledger", partitions=2)])
    producer = Producer({**endpoint.client_config(), "transactional.id": "till-1"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("ledger", b"half", partition=1)
    producer.flush(20)
    open_one = host.backend.in_use(running)

    producer.commit_transaction(30)

    assert open_one == "transaction"
    # The commit is answered before its markers are written.
    wait_until(lambda: host.backend.in_use(running) == "", 30, lambda: "the transaction stays open")


# -- warm --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_warm_sandbox_uses_no_cpu_and_takes_a_record_as_soon_as_it_is_claimed(
    host: LocalHost, site: Cluster, ada: User
) -> None:
    warm = Sandbox.objects.get(state=State.WARM)
    pids = processes.tree(host.keeper_pid(warm.hex))
    states = [_state_of(pid) for pid in pids if processes.named(pids[0], "kafka.Kafka") == pid]

    mine = services.request_sandbox(ada)
    settle(mine, seconds=30)

    assert states == ["T"]
    assert (mine.pk, mine.now) == (warm.pk, State.READY)
    endpoint = provisioning.endpoint(mine.pk)
    ensure_topics(endpoint, [TopicWish(name="orders")])
    assert acked(endpoint, "orders")
    assert topics_of(endpoint) == {"orders"}
    services.delete_sandbox(mine)
    settle(mine, seconds=30)
    invariants.check()


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.django_db
@pytest.mark.logs("sandbox.failed", "pool.dead")
def test_a_warm_broker_that_was_killed_is_replaced_by_a_start_from_nothing(
    host: LocalHost, site: Cluster, ada: User
) -> None:
    warm = Sandbox.objects.get(state=State.WARM)
    os.kill(processes.named(host.keeper_pid(warm.hex), "kafka.Kafka"), signal.SIGKILL)

    mine = services.request_sandbox(ada)
    settle(mine, seconds=60)

    assert (mine.pk, mine.now) == (warm.pk, State.READY)
    assert moves(mine)[-5:] == ["binding", "queued", "provisioning", "binding", "ready"]
    endpoint = provisioning.endpoint(mine.pk)
    ensure_topics(endpoint, [TopicWish(name="orders")])
    assert acked(endpoint, "orders")
    services.delete_sandbox(mine)
    settle(mine, seconds=30)


@pytest.mark.django_db
def test_an_idle_sandbox_is_frozen_and_keeps_every_record(
    host: LocalHost, site: Cluster, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "watched", lambda ids: set())
    mine = services.request_sandbox(ada)
    settle(mine, seconds=30)
    endpoint, topic = provisioning.endpoint(mine.pk), f"orders-{uuid.uuid4().hex[:6]}"
    ensure_topics(endpoint, [TopicWish(name=topic)])
    assert acked(endpoint, topic)
    forget_need(mine)

    sweep_and_settle(seconds=30)
    mine.refresh_from_db()
    frozen, answered = mine.frozen, host.backend.answers(mine.hex)
    again = provisioning.endpoint(mine.pk)

    assert (frozen, answered) == (True, False)
    assert acked(again, topic)
    acts = mine.events.filter(kind=SandboxEvent.ACT).values_list("new", flat=True)
    assert list(acts) == ["freeze", "thaw"]
    assert pool.HAND_OVER in mine.events.values_list("detail", flat=True)
    services.delete_sandbox(mine)
    settle(mine, seconds=30)


def test_a_proof_that_lost_its_lease_does_not_spoil_the_one_after_it(host: LocalHost, running: str) -> None:
    endpoint = endpoint_of(host, running)
    may_end, has_begun = threading.Event(), threading.Event()

    def late(topic: str, left_s: float) -> bytes:
        has_begun.set()
        may_end.wait(60)
        return b""

    def stale() -> None:
        with contextlib.suppress(BackendError):
            proof.prove(endpoint, late)

    first = threading.Thread(target=stale)

    def read(topic: str, left_s: float) -> bytes:
        may_end.set()
        first.join(60)
        return handshake.first_records(endpoint, topic, 5.0)

    first.start()
    assert has_begun.wait(60)
    proof.prove(endpoint, read)

    topics = AdminClient({**endpoint.client_config()}).list_topics(timeout=10).topics
    assert not [name for name in topics if name.startswith(proof.TOPIC)]


def test_a_proof_removes_what_one_that_was_cut_off_left(host: LocalHost, running: str) -> None:
    endpoint = endpoint_of(host, running)
    ensure_topics(endpoint, [TopicWish(name=f"{proof.TOPIC}old"), TopicWish(name="orders")])

    host.backend.prove(running)

    topics = AdminClient({**endpoint.client_config()}).list_topics(timeout=10).topics
    assert [name for name in topics if not name.startswith("__consumer")] == ["orders"]
