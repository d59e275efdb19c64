"""The Kafka processes of one sandbox: start, signal, watch, and know when they answer."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.backends.local import bubblewrap, ground, handshake, kafka
from sandboxes.backends.local.bubblewrap import PLAT, Inner, Mount, Parts
from sandboxes.backends.local.kafka import INSIDE_AOT, INSIDE_JARS, INSIDE_JRE, Node
from sandboxes.backends.local.keeper_link import KeeperGone, KeeperLink, KeeperRefused
from sandboxes.backends.local.prepared import Archive
from sandboxes.backends.local.records import Home, Record
from sandboxes.backends.local.seccomp_file import filter_descriptor
from sandboxes.backends.local.settings import Limits

_PROBE_GAP_S = 0.02
_PROBE_FIRST_S = 0.3  # no JVM answers earlier; asking in vain takes CPU from it
_PROBE_S = 2.0


class NodeExited(Exception):
    """A node ended while it was being waited for; `node` says which."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.name)
        self.node = node


class Nodes:
    """All nodes of one sandbox. `alive` holds the names of those whose process lives."""

    def __init__(
        self,
        *,
        home: Home,
        record: Record,
        parts: Parts,
        limits: Limits,
        archive: Archive,
        link: Callable[[], KeeperLink | None],
    ) -> None:
        self._home, self._record, self._parts, self._limits = home, record, parts, limits
        self._archive, self._link = archive, link
        self.profile = kafka.PROFILES[record.profile]
        self.alive: set[str] = set()
        self.ending: set[str] = set()  # those of them that were told to end
        self._started: dict[str, float] = {}
        self._changed = asyncio.Event()

    def named(self, name: str) -> Node | None:
        return next((node for node in self.profile.nodes if node.name == name), None)

    def endpoint(self) -> KafkaEndpoint:
        """The platform's own way in."""
        record = self._record
        servers = [f"{record.address}:{node.platform_port}" for node in self.profile.brokers]
        return KafkaEndpoint(
            bootstrap_servers=",".join(servers),
            cluster_id=record.cluster_id,
            username=kafka.PLATFORM_USER,
            password=record.password,
        )

    def adopt(self, names: tuple[str, ...]) -> None:
        """Take over what a keeper says is alive."""
        self.alive = {node.name for node in self.profile.nodes if node.name in names}

    def forget(self) -> None:
        """All have gone with their keeper."""
        self.alive.clear()
        self.ending.clear()
        self._changed.set()

    def exited(self, name: str) -> None:
        self.alive.discard(name)
        self.ending.discard(name)
        self._changed.set()

    async def start(self, node: Node) -> None:
        """Start one node's process; the caller has laid its ground. Raises KeeperGone, KeeperRefused."""
        link = self._link()
        assert link is not None
        log = ground.open_node_log(self._home, node)
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        filtering = filter_descriptor()
        request = {
            "op": "spawn",
            "name": node.name,
            "argv": bubblewrap.inner(self._parts, self._view(node)),
            "env": bubblewrap.environment(),
            "targets": [0, 1, 2, bubblewrap.SECCOMP_FD],
        }
        self.alive.add(node.name)  # before its exit could be told
        self._started[node.name] = time.monotonic()
        try:
            await link.ask(request, [nothing, log, log, filtering])
        except (KeeperGone, KeeperRefused):
            self.alive.discard(node.name)
            raise
        finally:
            for descriptor in (log, nothing, filtering):
                os.close(descriptor)

    def _view(self, node: Node) -> Inner:
        return broker_view(self._parts, self._limits, node, archive=self._archive.usable)

    async def send(self, number: int, nodes: tuple[Node, ...] | None = None) -> None:
        """Signal the JVMs of these nodes, all that live by default."""
        link = self._link()
        for node in nodes or self.profile.nodes:
            if link and node.name in self.alive:
                await link.ask({"op": "signal", "name": node.name, "signal": number, "to": "heart"})

    async def end(self, number: int, group: tuple[Node, ...]) -> None:
        """Tell nodes to end; a frozen one hears it only when it goes on."""
        self.ending |= {node.name for node in group} & self.alive
        await self.send(number, group)
        await self.send(signal.SIGCONT, group)

    async def stop(self) -> None:
        """End all, brokers before controllers; kills what takes longer than it may."""
        brokers = self.profile.brokers
        others = tuple(node for node in self.profile.nodes if node not in brokers)
        for group in (brokers, others):
            await self.stop_some(group)

    async def stop_some(self, group: tuple[Node, ...]) -> None:
        await self.end(signal.SIGTERM, group)
        try:
            async with asyncio.timeout(self._limits.broker_stop_s):
                await self._until(lambda: not self._living(group))
        except TimeoutError:
            await self.end(signal.SIGKILL, group)
            await self._until(lambda: not self._living(group))

    async def until_ready(self, node: Node) -> None:
        """Wait until a broker answers through its relay as the one it should be; raises NodeExited."""
        await asyncio.sleep(self._started.get(node.name, 0) + _PROBE_FIRST_S - time.monotonic())
        while not await self._answers(node):
            if node.name not in self.alive:
                raise NodeExited(node)
            await asyncio.sleep(_PROBE_GAP_S)

    async def _answers(self, node: Node) -> bool:
        record = self._record
        try:
            seen = await handshake.cluster_id(
                record.address, node.platform_port, password=record.password, timeout_s=_PROBE_S
            )
        except handshake.NoAnswer:
            return False
        return seen == record.cluster_id

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    def _living(self, group: tuple[Node, ...]) -> bool:
        return any(node.name in self.alive for node in group)


def broker_view(parts: Parts, limits: Limits, node: Node, *, archive: bool = True) -> Inner:
    """What a broker's JVM sees and may use. It takes commands from its student, so it is not trusted."""
    flags = kafka.jvm_flags(INSIDE_AOT if parts.aot_cache and archive else None)
    return Inner(
        mounts=(
            Mount(INSIDE_JRE, INSIDE_JRE),
            Mount(INSIDE_JARS, INSIDE_JARS),
            Mount(f"{PLAT}/log4j2.properties", kafka.INSIDE_LOG4J),
            *([Mount(INSIDE_AOT, INSIDE_AOT)] if parts.aot_cache else []),
            Mount(node.directory, node.directory, writable=True),
        ),
        environment=kafka.jvm_environment(),
        limits={
            "nproc": limits.broker_processes,
            "data": limits.broker_data,
            "nofile": limits.broker_files,
            "fsize": limits.data_bytes,
            "core": 0,
        },
        directory=node.directory,
        command=(
            f"{INSIDE_JRE}/bin/java",
            "-Xlog:disable",  # the JVM's own warnings; those of Kafka come through log4j
            *flags,
            "-cp",
            kafka.classpath(parts.jars),
            kafka.MAIN_CLASS,
            node.properties_file,
        ),
        own_pids=False,
        control=False,
        scratch=False,
    )
