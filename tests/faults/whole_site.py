"""A whole site of a test's own, as `manage.py up` starts it, that can lose its Redis or its power."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sandboxes.backends.base import KafkaEndpoint, Phase
from sandboxes.backends.local.backend import LocalBackend
from tests.browser.site import free_port
from tests.gates import logs
from tests.sandboxes.engines import ROOT, Site

LOOKING = "tests.faults.looking"
_READY_S = 120
_DARK_S = 20
_DROPPED = ("SECRET_KEY", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "DJANGO_ALLOW_ASYNC_UNSAFE", "REDIS_URL")


@dataclass(slots=True)
class WholeSite:
    """One installation. site: the same, for commands of test modules (`ask`)."""

    data: Path
    port: int
    env: dict[str, str]
    site: Site
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, command: object, *words: object, module: str = LOOKING, within_s: float = 180) -> Any:
        return self.site.worker(command, *words, module=module, within_s=within_s)

    def start(self) -> None:
        """Until it says that it is ready."""
        said = self.data / "up.txt"
        with said.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=self.env, stdout=out, stderr=out
            )
        until = time.monotonic() + _READY_S
        while "Press Ctrl-C to stop" not in said.read_text():
            assert self._process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def cut_the_power(self) -> int:
        """SIGKILL for every process of the site and of its sandboxes, all at the same moment; how many."""
        assert self._process
        family, killed = family_of(self._process.pid), 0
        until = time.monotonic() + _DARK_S
        while family and time.monotonic() < until:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            killed += len(family)
            family = self.left()  # made while we were at it
        self._process.wait(10)
        return killed

    def left(self) -> list[int]:
        """Processes that still know the site's directory."""
        known, found = str(self.data).encode(), []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if known in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found

    def endpoint(self, hex_id: str) -> KafkaEndpoint:
        """The platform's way to a sandbox's Kafka, once it answers."""
        backend = LocalBackend(Path(self.ask("host_socket")))
        until = time.monotonic() + 30
        while True:
            seen = backend.observe(hex_id)
            if seen.phase is Phase.RUNNING and seen.endpoint:
                return seen.endpoint
            assert time.monotonic() < until, seen
            time.sleep(0.1)


def family_of(pid: int) -> list[int]:
    """A process and all below it, parents first."""
    family = [pid]
    for member in family:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                family += [int(child) for child in task.read_text().split()]
    return family


@contextlib.contextmanager
def whole_site(**settings: str) -> Iterator[WholeSite]:
    data, port = Path(tempfile.mkdtemp(prefix="mr-whole-")), free_port()
    data.chmod(0o711)
    ours = {
        "SANDBOX_BACKEND": "local",
        "SECRET_KEY": "of-a-whole-site-of-a-test-of-ours-0123456789",
    } | settings
    env = {name: value for name, value in os.environ.items() if name not in _DROPPED} | ours
    env |= {"MILLRACE_DATA": str(data), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    env |= {"MILLRACE_MEMORY_STORE": str(data / "memory.json")}  # of doubles
    url = f"sqlite:///{data / 'millrace.sqlite3'}"
    # What a test asks is asked with the site's own settings, so of its own Redis too.
    asked = ours | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    whole = WholeSite(data, port, env, Site(directory=data, database_url=url, environment=asked))
    try:
        with logs.watched(data / "log"):
            try:
                yield whole
            finally:
                whole.stop()
    finally:
        shutil.rmtree(data, ignore_errors=True)


# -- a student's Kafka -------------------------------------------------------------------------------------


def make_topic(endpoint: KafkaEndpoint, name: str) -> None:
    admin = AdminClient({**endpoint.client_config()})
    admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(30)


def produce(endpoint: KafkaEndpoint, topic: str, values: list[str]) -> None:
    """Until every record is acknowledged."""
    producer, lost = Producer(endpoint.client_config() | {"acks": "all"}), []
    for value in values:
        producer.produce(topic, value=value, on_delivery=lambda error, _: lost.append(error))
    assert producer.flush(30) == 0
    assert not [error for error in lost if error]


def read_all(endpoint: KafkaEndpoint, topic: str) -> list[str]:
    """Every record there is, oldest first."""
    config = endpoint.client_config() | {"group.id": "reader", "enable.auto.commit": "false"}
    consumer = Consumer(config)
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
        consumer.assign([TopicPartition(topic, 0, 0)])
        values: list[str] = []
        until = time.monotonic() + 30
        while len(values) < end:
            assert time.monotonic() < until, f"{len(values)} of {end} records"
            message = consumer.poll(1)
            if message is not None and not message.error():
                values.append((message.value() or b"").decode())
        return values
    finally:
        consumer.close()
