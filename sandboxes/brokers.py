"""A sandbox's brokers, asked in Kafka's own protocol (`wire`) from code that is not asynchronous.

For calls that a client library must not make for us: its fault would be the whole process's. Every call opens
connections of its own and closes them, which costs some milliseconds on this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.view import ViewUnavailable
from sandboxes.wire.cluster import ANSWER_S, Cluster, addresses
from sandboxes.wire.errors import PASSING, Refused, WireError
from sandboxes.wire.sasl import Credentials

T = TypeVar("T")

Questions = Callable[[Cluster], Awaitable[T]]

# Of one request; of all attempts together, in which a broker that is coming back is waited for.
REQUEST_S = 2.0
PATIENCE_S = 5.0
_PAUSE_S = 0.15


def cluster_of(endpoint: KafkaEndpoint, *, answer_s: float = ANSWER_S) -> Cluster:
    """answer_s: how long a broker has for one answer."""
    servers = addresses(endpoint.bootstrap_servers)
    return Cluster(servers, _credentials(endpoint), endpoint.cluster_id, answer_s=answer_s)


def _credentials(endpoint: KafkaEndpoint) -> Credentials | None:
    config = endpoint.client_config()
    if not config.get("security.protocol", "").startswith("SASL"):
        return None
    return Credentials(
        mechanism=config["sasl.mechanism"], username=endpoint.username, password=endpoint.password
    )


def ask(endpoint: KafkaEndpoint, questions: Questions[T], *, patience_s: float | None = None) -> T:
    """What the questions find; all of them are asked again when a broker is silent or says "not now".

    Not from a thread in which an event loop runs. Raises ViewUnavailable after patience_s, else PATIENCE_S,
    and Refused at once.
    """
    return asyncio.run(_patiently(endpoint, questions, PATIENCE_S if patience_s is None else patience_s))


async def _patiently(endpoint: KafkaEndpoint, questions: Questions[T], patience_s: float) -> T:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    try:
        async with asyncio.timeout_at(deadline + REQUEST_S):
            while True:
                try:
                    return await _once(endpoint, questions)
                except WireError as error:
                    if isinstance(error, Refused) and error.code not in PASSING:
                        raise
                    if loop.time() > deadline:
                        raise ViewUnavailable(str(error)) from error
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError as error:
        raise ViewUnavailable("the brokers do not answer in time") from error


async def _once(endpoint: KafkaEndpoint, questions: Questions[T]) -> T:
    cluster = cluster_of(endpoint, answer_s=REQUEST_S)
    try:
        await cluster.refresh()
        return await questions(cluster)
    finally:
        cluster.close()
