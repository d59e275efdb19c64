"""What a sandbox may keep is a bound that no repair and no press of Start undoes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

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


def starts(site: Site) -> int:
    return site.host.log.count("sandbox.running")


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

    def given_up() -> bool:
        sweep_and_settle(seconds=60)
        return Sandbox.objects.get(pk=sandbox.pk).now is State.FAILED

    wait_until(given_up, 60, lambda: f"{Sandbox.objects.get(pk=sandbox.pk)}")
    sandbox.refresh_from_db()
    first = (sandbox.failure_cause, sandbox.failure_retryable, sandbox.failure_sentence)
    assert sandbox.owner
    services.request_sandbox(sandbox.owner)
    settle(sandbox, seconds=60)

    assert first[:2] == ("disk_full", False)
    assert "Start over" in first[2]
    assert (sandbox.now, sandbox.failure_cause) == (State.FAILED, "disk_full")
    assert starts(narrow) == before
