"""One connection to one broker: one question at a time, each with a time limit.

A question that times out closes the connection, since its answer may still come and would be taken for the
next one's. A long poll keeps a connection busy, so tails and questions use one each.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

from sandboxes.wire import requests
from sandboxes.wire.errors import CorruptAnswer, TooLarge, WireError
from sandboxes.wire.primitives import Reader
from sandboxes.wire.requests import Request
from sandboxes.wire.sasl import Credentials, sign_in

T = TypeVar("T")

Address = tuple[str, int]

CLIENT_ID = "millrace"
CONNECT_S = 1.0
# The first batch of an answer always comes whole, however few bytes were asked for (KIP-74).
MOST_ANSWER_BYTES = 32 * 1024 * 1024
# An answer that has begun may take longer than the question's time, by its size.
_SLOWEST_BYTES_PER_S = 1024 * 1024
_STREAM_BYTES = 1024 * 1024


class Connection:
    """Opens itself on the first question, and again after it broke. Not for concurrent use beyond `ask`."""

    def __init__(
        self,
        address: Address,
        credentials: Credentials | None,
        *,
        connect_s: float = CONNECT_S,
        most_bytes: int | None = None,
    ) -> None:
        """connect_s: for opening it, sign-in and all; most_bytes: of an answer, else MOST_ANSWER_BYTES."""
        self.address = address
        self._connect_s, self._most_bytes = connect_s, most_bytes or MOST_ANSWER_BYTES
        self._credentials = credentials
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._correlation = 0
        self.asked = 0

    async def ask(self, request: Request[T], *, within_s: float) -> T:
        """The answer. Raises WireError: no answer begun in time, connection lost, an error code, unreadable
        bytes.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(within_s + (0 if self._streams else self._connect_s)) as limit:
                    if self._streams is None:
                        await self._open()
                    return await self._exchange(request, limit)
            except CorruptAnswer:
                self.close()
                raise
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.close()
                raise WireError(f"{self.address[0]}:{self.address[1]} does not answer") from error
            except (
                BaseException
            ):  # cancelled in the middle of an answer: the rest of it must not be read as the next
                self.close()
                raise

    def close(self) -> None:
        if self._streams:
            with contextlib.suppress(Exception):
                self._streams[1].transport.abort()
            self._streams = None

    async def _open(self) -> None:
        async with asyncio.timeout(self._connect_s):
            self._streams = await asyncio.open_connection(*self.address, limit=_STREAM_BYTES)
            await self._negotiate()
            if self._credentials:
                await self._exchange(requests.sasl_handshake(self._credentials.mechanism))
                await sign_in(self._credentials, self._authenticate)

    async def _negotiate(self) -> None:
        spoken = await self._exchange(requests.api_versions())
        for key, version in requests.NEEDED.items():
            low, high = spoken.get(key, (0, -1))
            if not low <= version <= high:
                raise WireError(
                    f"the broker speaks versions {low} to {high} of request {key}, we speak {version}"
                )

    async def _authenticate(self, token: bytes) -> bytes:
        return await self._exchange(requests.sasl_authenticate(token))

    async def _exchange(self, request: Request[T], limit: asyncio.Timeout | None = None) -> T:
        if self._streams is None:
            raise WireError("the connection is closed")
        reader, writer = self._streams
        self._correlation = (self._correlation + 1) & 0x7FFFFFFF
        self.asked += 1
        try:
            writer.write(requests.frame(request, self._correlation, CLIENT_ID))
        except RuntimeError as error:  # how uvloop says that the other end has hung up meanwhile
            raise ConnectionResetError("the connection is gone") from error
        await writer.drain()
        size = int.from_bytes(await reader.readexactly(4), "big")
        if not 4 <= size <= self._most_bytes:
            raise (TooLarge if size > 4 else CorruptAnswer)(f"an answer of {size} bytes")
        if limit and size > _SLOWEST_BYTES_PER_S:
            limit.reschedule(asyncio.get_running_loop().time() + size / _SLOWEST_BYTES_PER_S)
        answer = Reader(await reader.readexactly(size))
        if answer.i32() != self._correlation:
            raise CorruptAnswer("an answer to another question")
        if request.flexible and request.answer_tags:
            answer.tags()
        return request.read(answer)
