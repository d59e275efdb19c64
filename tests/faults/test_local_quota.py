"""What a sandbox may keep is a bound that no repair and no press of Start undoes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from sandboxes import services
from sandboxes.backends.base import Phase
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox
from tests.faults.local_site import TOPIC, Site, running_site
from tests.sandboxes.backends.local_host import until_ended, wait_until
from tests.sandboxes.backends.test_local import client
from tests.sandboxes.driving import settle, sweep_and_settle

pytestmark = [pytest.mark.kafka, pytest.mark.django_db, pytest.mark.xdist_group("local faults")]

ROOM = 24 * 1024 * 1024


@pytest.fixture
def narrow(settings: object, db: None) -> Iterator[Site]:
    """A site whose sandboxes may keep little data."""
    with running_site(settings, limits={"data_bytes": ROOM}) as site:
        yield site


@pytest.fixture
def usual(settings: object, db: None) -> Iterator[Site]:
    """A site with the limits that students have."""
    with running_site(settings) as site:
        yield site


def starts(site: Site) -> int:
    return site.host.log.count("sandbox.running")


def until_given_up(sandbox: Sandbox) -> None:
    """Sweep, as the site does, until no sweep would start it again."""

    def given_up() -> bool:
        sweep_and_settle(seconds=60)
        sandbox.refresh_from_db()
        return sandbox.now is State.FAILED and not sandbox.failure_retryable

    wait_until(given_up, 90, lambda: f"{sandbox} {sandbox.failure_cause}")


def test_a_sandbox_that_outgrew_its_room_is_not_started_again(narrow: Site) -> None:
    sandbox = narrow.ready()
    workspace = narrow.host.backend.workspace(sandbox.hex)
    workspace.write_file("loop.py", "import time; time.sleep(600)")
    program = workspace.start_program(path="loop.py")
    producer = Producer(client(narrow.host, sandbox.hex) | {"message.timeout.ms": "10000"})
    for _ in range(2 * ROOM // 500_000):
        producer.produce(TOPIC, os.urandom(500_000))
    producer.flush(30)
    assert narrow.until(sandbox, Phase.STOPPED).cause == "disk_full"
    assert until_ended(workspace, program.program_id).reason == "disk"
    before = starts(narrow)

    until_given_up(sandbox)
    first = (sandbox.failure_cause, sandbox.failure_retryable, sandbox.failure_sentence)
    assert sandbox.owner
    services.request_sandbox(sandbox.owner)
    settle(sandbox, seconds=60)

    assert first[:2] == ("disk_full", False)
    assert "Start over" in first[2]
    assert (sandbox.now, sandbox.failure_cause) == (State.FAILED, "disk_full")
    assert starts(narrow) == before


@pytest.mark.logs("sandbox.failed")
def test_more_partitions_than_a_broker_can_open_are_named_as_the_cause(usual: Site) -> None:
    sandbox = usual.ready()
    admin = AdminClient(client(usual.host, sandbox.hex))
    asked = admin.create_topics([NewTopic("silly", 5000)])["silly"]
    with contextlib.suppress(KafkaException):  # it may break before it answers
        asked.result(60)

    until_given_up(sandbox)

    assert sandbox.failure_cause == "too_many_partitions"
    assert "partitions" in sandbox.failure_sentence
    assert "Start over" in sandbox.failure_sentence
    usual.check()


@pytest.mark.logs("sandbox.failed")
def test_a_crash_with_many_partitions_is_recovered_from(usual: Site) -> None:
    """The bound is below what a broker with our heap and descriptors can open after a kill."""
    sandbox = usual.ready()
    admin = AdminClient(client(usual.host, sandbox.hex))
    admin.create_topics([NewTopic("many", 1500)])["many"].result(30)

    os.kill(usual.broker(sandbox), signal.SIGKILL)
    usual.until(sandbox, Phase.FAILED)

    usual.until_ready(sandbox)
    assert usual.kept(sandbox)
    assert len(admin.list_topics("many", timeout=20).topics["many"].partitions) == 1500
    usual.check()
