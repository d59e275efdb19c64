"""The brokers of one sandbox, asked one by one by name, so that a hung one costs a second and no more.

What a broker advertises is under the student's control: only addresses that the sandbox's endpoint itself
names are ever connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from sandboxes.wire import requests
from sandboxes.wire.connection import Address, Connection
from sandboxes.wire.errors import WireError
from sandboxes.wire.requests import ClusterMeta, Request, TopicMeta
from sandboxes.wire.sasl import Credentials

T = TypeVar("T")

ANSWER_S = 1.0


class Cluster:
    """Knows who leads what as of the last `refresh`. One per sandbox; `close` it."""

    def __init__(
        self,
        bootstrap: Sequence[Address],
        credentials: Credentials | None,
        cluster_id: str = "",
        *,
        answer_s: float = ANSWER_S,
    ) -> None:
        """answer_s: how long a broker has to connect, and for each answer."""
        self._bootstrap = tuple(bootstrap)
        self._credentials = credentials
        self._cluster_id = cluster_id
        self._answer_s = answer_s
        self._doors: dict[Address, Connection] = {}
        self._addresses: dict[int, Address] = {}
        self._first = 0
        self.meta: ClusterMeta | None = None
        self.changed = asyncio.Event()
        self.wanted = asyncio.Event()

    async def refresh(self) -> ClusterMeta:
        """Ask any broker who is there and who leads what. Raises WireError when none answers."""
        doors = [*self._bootstrap[self._first :], *self._bootstrap[: self._first]]
        error = WireError("no broker answers")
        for address in doors:
            try:
                meta = await self._door(address).ask(requests.metadata(), within_s=self._answer_s)
                self._learn(meta)
            except WireError as failure:
                error = failure
                continue
            self._first = self._bootstrap.index(address)
            return meta
        raise error

    def want_refresh(self) -> None:
        """Somebody met an answer that does not fit: ask again soon."""
        self.wanted.set()

    async def ask(self, broker: int, request: Request[T]) -> T:
        """Ask one broker, within `answer_s`. Raises WireError."""
        return await self._door(self._address(broker)).ask(request, within_s=self._answer_s)

    async def ask_any(self, request: Request[T]) -> T:
        """Ask the broker that told who is there. Raises WireError."""
        return await self._door(self._bootstrap[self._first]).ask(request, within_s=self._answer_s)

    def line(self, broker: int, *, most_bytes: int | None = None) -> Connection:
        """A connection of one's own for long polls; the caller closes it. Raises WireError."""
        return Connection(
            self._address(broker), self._credentials, connect_s=self._answer_s, most_bytes=most_bytes
        )

    @property
    def brokers(self) -> tuple[int, ...]:
        return tuple(sorted(self._addresses))

    def topic(self, name: str) -> TopicMeta | None:
        return next((t for t in self.meta.topics if t.name == name), None) if self.meta else None

    def close(self) -> None:
        for door in self._doors.values():
            door.close()
        self._doors.clear()

    def _door(self, address: Address) -> Connection:
        if address not in self._doors:
            self._doors[address] = Connection(address, self._credentials, connect_s=self._answer_s)
        return self._doors[address]

    def _address(self, broker: int) -> Address:
        if broker not in self._addresses:
            raise WireError(f"broker {broker} is not known")
        return self._addresses[broker]

    def _learn(self, meta: ClusterMeta) -> None:
        if self._cluster_id and meta.cluster_id != self._cluster_id:
            raise WireError(f"this is cluster {meta.cluster_id}, not {self._cluster_id}")
        for broker, advertised in meta.brokers.items():
            address = self._permitted(advertised, alone=len(meta.brokers) == 1)
            if address:
                self._addresses[broker] = address
        moved = self.meta is None or _leaders(self.meta) != _leaders(meta)
        self.meta = meta
        if moved:
            self.changed.set()

    def _permitted(self, advertised: Address, *, alone: bool) -> Address | None:
        if advertised in self._bootstrap:
            return advertised
        return self._bootstrap[0] if alone and len(self._bootstrap) == 1 else None


def _leaders(meta: ClusterMeta) -> Mapping[str, tuple[object, ...]]:
    return {t.name: (t.topic_id, *((p.index, p.leader, p.epoch) for p in t.partitions)) for t in meta.topics}


def addresses(bootstrap_servers: str) -> list[Address]:
    """Host and port of each entry of "host:port,host:port"; entries that are none are left out."""
    found = []
    for entry in bootstrap_servers.split(","):
        host, _, port = entry.strip().rpartition(":")
        with contextlib.suppress(ValueError):
            found.append((host.strip("[]"), int(port)))
    return [address for address in found if address[0]]
