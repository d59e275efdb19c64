"""Kafka processes of a local sandbox: which there are, their flags, settings and directories.

Plain data and text; starts nothing. Paths are those inside the sandbox, the same for all sandboxes, so that
one ahead-of-time cache serves every JVM. Measured: the cache and C1 alone are the whole gain in start time.
What an idle broker holds is its first heap and its share of the cache, not the largest heap it may grow to.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAIN_CLASS = "kafka.Kafka"
INSIDE_JARS = "/opt/kafka"
INSIDE_JRE = "/opt/jre"
INSIDE_AOT = "/opt/plat/kafka.aot"
INSIDE_LOG4J = "/opt/plat/log4j2.properties"
PLATFORM_USER = "platform"

HEAP_MIB = 96
FIRST_HEAP_MIB = 24
DAY_MS = 24 * 60 * 60 * 1000
TEN_YEARS_MINUTES = 10 * 365 * 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One Kafka process of a profile; role: "combined", "broker" or "controller".

    Ports are fixed: each sandbox has its own network namespace. Student clients see 9091 + node_id, which is
    the host's relay; `client_port` is where the broker itself listens for them.
    """

    node_id: int
    role: str

    @property
    def name(self) -> str:
        return f"k{self.node_id}"

    @property
    def serves_clients(self) -> bool:
        return self.role != "controller"

    @property
    def advertised_port(self) -> int:
        return 9091 + self.node_id

    @property
    def client_port(self) -> int:
        return 19191 + self.node_id

    @property
    def platform_port(self) -> int:
        return 19091 + self.node_id

    @property
    def internal_port(self) -> int:
        return 29091 + self.node_id

    @property
    def controller_port(self) -> int:
        return 19391 + self.node_id

    @property
    def directory(self) -> str:
        return f"/data/{self.name}"

    @property
    def log_dir(self) -> str:
        return f"{self.directory}/log"

    @property
    def properties_file(self) -> str:
        return f"{self.directory}/server.properties"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named set of nodes; settings override the common ones.

    after_crash: settings that hold instead for a node which did not stop cleanly.
    """

    name: str
    nodes: tuple[Node, ...]
    settings: Mapping[str, str | int] = field(default_factory=dict)
    after_crash: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def brokers(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.serves_clients)

    @property
    def controllers(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.role != "broker")

    def node(self, node_id: int) -> Node:
        """The node with this id; KeyError when the profile has none."""
        for node in self.nodes:
            if node.node_id == node_id:
                return node
        raise KeyError(node_id)


def _replicated(copies: int, min_isr: int) -> dict[str, str | int]:
    return {
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": min_isr,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": min_isr,
    }


PROFILES: Mapping[str, Profile] = {
    "kafka-1": Profile(
        name="kafka-1",
        nodes=(Node(node_id=1, role="combined"),),
        # A frozen broker must not lose its registration: waking it is then a matter of milliseconds.
        settings=_replicated(1, 1)
        | {
            "broker.session.timeout.ms": DAY_MS,
            "broker.heartbeat.interval.ms": 1000,
            # No record twice a second only to show other nodes that the log moves: there are none, and it is
            # half of what an idle broker uses (KIP-835).
            "metadata.max.idle.interval.ms": 0,
        },
        # A broker that was killed may register again only when its old session is over (the controller
        # answers DUPLICATE_BROKER_REGISTRATION), and a day is too long to wait. Waking from a freeze then
        # takes a second, until the next clean stop.
        after_crash={"broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500},
    ),
    "kafka-3": Profile(
        name="kafka-3",
        nodes=(
            Node(node_id=100, role="controller"),
            Node(node_id=1, role="broker"),
            Node(node_id=2, role="broker"),
            Node(node_id=3, role="broker"),
        ),
        # Short timers: a lesson about a lost broker should not wait for the stock nine seconds.
        settings=_replicated(3, 2)
        | {
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "replica.lag.time.max.ms": 3000,
            "controller.quorum.election.timeout.ms": 500,
            "controller.quorum.fetch.timeout.ms": 1000,
        },
    ),
}

# Small: one learner, a few topics. The labs say where this differs from the stock settings.
COMMON: Mapping[str, str | int] = {
    "auto.create.topics.enable": "false",
    "num.partitions": 1,
    "log.retention.ms": -1,
    "log.retention.check.interval.ms": 5000,
    "offsets.retention.minutes": TEN_YEARS_MINUTES,
    "offsets.topic.num.partitions": 3,
    "offsets.topic.segment.bytes": 1048576,
    "transaction.state.log.num.partitions": 3,
    "transaction.state.log.segment.bytes": 1048576,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    "share.coordinator.state.topic.num.partitions": 3,
    "share.coordinator.state.topic.segment.bytes": 1048576,
    "group.initial.rebalance.delay.ms": 0,
    "group.consumer.min.session.timeout.ms": 6000,
    "group.consumer.min.heartbeat.interval.ms": 1000,
    "group.share.min.session.timeout.ms": 6000,
    "group.share.min.heartbeat.interval.ms": 1000,
    "group.coordinator.threads": 1,
    "num.io.threads": 2,
    "num.network.threads": 1,
    "num.replica.fetchers": 1,
    "num.recovery.threads.per.data.dir": 1,
    "background.threads": 2,
    "queued.max.requests": 64,
    "log.cleaner.threads": 1,
    "log.cleaner.dedupe.buffer.size": 2097152,
    "log.cleaner.io.buffer.size": 65536,
    "log.segment.bytes": 16777216,
    "log.index.size.max.bytes": 1048576,
    "metadata.log.segment.bytes": 8388608,
    "socket.send.buffer.bytes": 65536,
    "socket.receive.buffer.bytes": 65536,
}


def server_properties(
    profile: Profile,
    node: Node,
    *,
    platform_address: str,
    password: str,
    log_dir: str | None = None,
    crashed: bool = False,
) -> str:
    """The text of one node's server.properties.

    platform_address: the host's loopback address where the platform reaches this sandbox, e.g. "127.20.0.7".
    password:         of the platform's user; letters and digits only.
    log_dir:          another place for the data than inside a sandbox (for set-up, which runs outside).
    crashed:          the node ran before and did not stop cleanly.
    """
    settings = dict(COMMON) | dict(profile.settings) | (dict(profile.after_crash) if crashed else {})
    settings |= {
        "process.roles": "broker,controller" if node.role == "combined" else node.role,
        "node.id": node.node_id,
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": ",".join(
            f"{one.node_id}@127.0.0.1:{one.controller_port}" for one in profile.controllers
        ),
        "listener.security.protocol.map": (
            "CLIENT:PLAINTEXT,PLATFORM:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "log.dirs": log_dir or node.log_dir,
    }
    settings |= _listeners(node, platform_address)
    if node.serves_clients:
        settings |= _platform_sign_in(password)
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _listeners(node: Node, platform_address: str) -> dict[str, str | int]:
    controller = f"CONTROLLER://127.0.0.1:{node.controller_port}"
    if not node.serves_clients:
        return {"listeners": controller}
    client = f"CLIENT://127.0.0.1:{node.client_port}"
    platform = f"PLATFORM://127.0.0.1:{node.platform_port}"
    internal = f"INTERNAL://127.0.0.1:{node.internal_port}"
    listeners = [client, platform, internal] + ([controller] if node.role == "combined" else [])
    return {
        "listeners": ",".join(listeners),
        # INTERNAL does not pass the relays: a fault on the client's way must not stop the brokers' own talk.
        "advertised.listeners": (
            f"CLIENT://localhost:{node.advertised_port},"
            f"PLATFORM://{platform_address}:{node.platform_port},{internal}"
        ),
        "inter.broker.listener.name": "INTERNAL",
    }


def _platform_sign_in(password: str) -> dict[str, str | int]:
    if not password.isalnum():
        raise ValueError("a platform password has letters and digits only")  # it stands in a quoted string
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        "listener.name.platform.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.platform.plain.sasl.jaas.config": (
            f'{module} required user_{PLATFORM_USER}="{password}";'
        ),
    }


def jar_names(jars: Path) -> tuple[str, ...]:
    """The class path's order is part of the ahead-of-time cache's key, so it is always the sorted one."""
    return tuple(sorted(path.name for path in jars.glob("*.jar")))


def classpath(jars: Path, *, inside: str = INSIDE_JARS) -> str:
    """The JVM's class path for the jars in a directory that the JVM sees as `inside`."""
    return ":".join(f"{inside}/{name}" for name in jar_names(jars))


def jvm_flags(aot_cache: str | None, *, log4j: str = INSIDE_LOG4J) -> tuple[str, ...]:
    """Flags of every broker's JVM.

    aot_cache: path of the ahead-of-time cache as the JVM sees it; None runs without (slower to start).
    """
    flags = (
        # Otherwise the first heap is the largest one, and a start fills its young part once: 23 MB.
        f"-Xms{FIRST_HEAP_MIB}m",
        f"-Xmx{HEAP_MIB}m",
        "-Xss256k",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseCompactObjectHeaders",
        # The cache lies at one address in every broker, so its pages are shared: 20 MB (ARCHITECTURE.md).
        "-XX:+UnlockDiagnosticVMOptions",
        "-XX:ArchiveRelocationMode=0",
        "-XX:ReservedCodeCacheSize=32m",
        "-XX:MaxDirectMemorySize=32m",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={log4j}",
    )
    return (*flags, f"-XX:AOTCache={aot_cache}") if aot_cache else flags


def jvm_environment() -> dict[str, str]:
    """Environment of every broker's JVM: few malloc arenas save about 10 MB."""
    return {"MALLOC_ARENA_MAX": "2", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def aot_path(aot_dir: Path, *, java_home: Path, jars: Path) -> Path:
    """Where the ahead-of-time cache of exactly this JRE, these jars and these flags lives.

    The JVM silently ignores a cache made for anything else, so the name says what it was made for.
    """
    release = java_home / "release"
    digest = hashlib.sha256(release.read_bytes() if release.exists() else b"")
    digest.update("\0".join(jvm_flags(None, log4j="")).encode())
    for name in jar_names(jars):
        seen = (jars / name).stat()
        digest.update(f"\0{name}\0{seen.st_size}\0{int(seen.st_mtime)}".encode())
    return aot_dir / f"kafka-{digest.hexdigest()[:16]}.aot"


def new_cluster_id() -> str:
    """A random id in Kafka's own form: 16 bytes, URL-safe base64, no padding, no dash in front."""
    made = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return made if made[0] != "-" else new_cluster_id()


def has_crashed(log_dir: Path) -> bool:
    """True when a broker ran on this directory and left without its own mark of a clean shutdown."""
    return (log_dir / "__cluster_metadata-0").exists() and not (log_dir / ".kafka_cleanshutdown").exists()


def clone_template(template: Path, log_dir: Path, *, cluster_id: str, node_id: int) -> None:
    """Make a node's formatted log directory from the template, with an identity of its own.

    Copying takes a millisecond where Kafka's own format command takes a JVM and a second and a half.
    """
    log_dir.mkdir(parents=True)
    for source in template.iterdir():
        if source.is_file() and source.name != "meta.properties":
            shutil.copyfile(source, log_dir / source.name)
    (log_dir / "meta.properties").write_text(
        f"version=1\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={new_cluster_id()}\n"
    )
