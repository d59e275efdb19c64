"""Which of a sandbox's brokers answer: started where one is missing, waited for, and why one ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sandboxes.backends.local import ground, troubles
from sandboxes.backends.local.faults import Faults
from sandboxes.backends.local.kafka import Node
from sandboxes.backends.local.nodes import NodeExited, Nodes
from sandboxes.backends.local.records import Home, Record
from sandboxes.backends.local.surroundings import Surroundings
from sandboxes.backends.local.troubles import Trouble
from sandboxes.backends.local.waiting import in_thread

_READY_S = 90.0


class Answering:
    """names: of the brokers that have answered since they were started. enter: tells the stage of a start."""

    def __init__(
        self,
        around: Surroundings,
        home: Home,
        record: Record,
        *,
        nodes: Nodes,
        faults: Faults,
        enter: Callable[[str], None],
    ) -> None:
        self._around, self._home, self._record = around, home, record
        self._nodes, self._faults, self._enter = nodes, faults, enter
        self.names: set[str] = set()
        self._ends: dict[str, int | None] = {}  # how each node ended last

    async def start(self) -> None:
        """Until all answer that no fault holds down. NodeExited, TimeoutError, or what befell the keeper."""
        async with self._around.starts:
            try:
                await self._start()
            except NodeExited:
                if not await asyncio.to_thread(self._around.archive.has_rotted):
                    raise
                await self._start()

    def adopt(self) -> None:
        """Of a frozen sandbox: its brokers cannot answer now; they live, and did before it was frozen."""
        self.names = {node.name for node in self._nodes.profile.brokers if node.name in self._nodes.alive}

    def is_any(self) -> bool:
        return any(node.name in self.names for node in self._nodes.profile.brokers)

    def expected(self) -> tuple[Node, ...]:
        """Brokers that answered and were not told to end."""
        awaited = self.names - self._nodes.ending
        return tuple(node for node in self._nodes.profile.brokers if node.name in awaited)

    def are_all_up(self) -> bool:
        """Whether every node lives that no fault holds down."""
        down, alive = self._faults.down(), self._nodes.alive
        return all(node.name in alive for node in self._nodes.profile.nodes if node.node_id not in down)

    def ended(self, name: str, status: int | None) -> None:
        self._ends[name] = status
        self._nodes.exited(name)
        self.names.discard(name)

    def why_ended(self, node: Node, *, while_starting: bool) -> Trouble:
        said = ground.last_words(self._home, node)
        return troubles.of_exit(self._ends.get(node.name), while_starting=while_starting, said=said)

    def forget(self) -> None:
        """All have gone with their keeper."""
        self._nodes.forget()
        self.names.clear()

    async def _start(self) -> None:
        self._enter("kafka")
        await self._start_nodes()
        self._enter("probe")
        async with asyncio.timeout(_READY_S):
            await self._until_all_answer()

    async def _start_nodes(self) -> None:
        nodes, down = self._nodes, self._faults.down()
        for node in nodes.profile.nodes:
            if node.name in nodes.ending and node.node_id not in down:
                await nodes.stop_some((node,))
            if node.name not in nodes.alive and node.node_id not in down:
                template = self._around.settings.template
                await in_thread(ground.make_node, self._home, self._record, node, template)
                await nodes.start(node)

    async def _until_all_answer(self) -> None:
        down = self._faults.down()
        for node in self._nodes.profile.brokers:
            if node.node_id in down:
                continue
            try:
                await self._nodes.until_ready(node)
                self.names.add(node.name)
            except NodeExited:
                if node.node_id not in self._faults.down():
                    raise
