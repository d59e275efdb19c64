"""Kafka's admin calls as the platform makes them: short time-outs, patient with a broker that is coming back.

Shared by the oracle (`observe`) and the stage hand; everything here takes an endpoint of the platform's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.brokers import PATIENCE_S
from sandboxes.view import ViewUnavailable

Result = TypeVar("Result")

_PAUSE_S = 0.15
# What a broker says while it starts, stops or elects; content says nothing of the student's work.
_PASSING = {
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - librdkafka's own names for local errors
    KafkaError._NOENT,  # noqa: SLF001 - "No leaders found", just after a restart
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._WAIT_COORD,  # noqa: SLF001
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.NOT_CONTROLLER,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.REQUEST_TIMED_OUT,
}
# A client that knew a topic before it was deleted and made anew; only a new client forgets.
_STALE = {
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_ID,
    KafkaError.INCONSISTENT_TOPIC_ID,
}
ABSENT = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}  # noqa: SLF001


def quiet(endpoint: KafkaEndpoint) -> dict[str, Any]:
    """Client settings for one sandbox: small, quick to notice a broker that is back, silent."""
    return {
        **endpoint.client_config(),
        "client.id": "millrace-checks",
        "socket.timeout.ms": 3000,
        "socket.connection.setup.timeout.ms": 2000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 500,
        "log_level": 0,
        "error_cb": _ignore,
    }


def _ignore(_error: object) -> None:
    """Connection errors are reported by the calls that suffer from them."""


@lru_cache(maxsize=16)
def _admin(servers: str, username: str, password: str, cluster_id: str) -> AdminClient:
    endpoint = KafkaEndpoint(
        bootstrap_servers=servers, cluster_id=cluster_id, username=username, password=password
    )
    return AdminClient(quiet(endpoint))


def admin(endpoint: KafkaEndpoint) -> AdminClient:
    """A client for that sandbox; the last few are kept, connected, and may be shared by threads."""
    return _admin(endpoint.bootstrap_servers, endpoint.username, endpoint.password, endpoint.cluster_id)


def patiently(call: Callable[[], Result], *, patience_s: float = PATIENCE_S) -> Result:
    """Call until it answers; ViewUnavailable after `patience_s`, other Kafka errors fly at once."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return call()
        except KafkaException as error:
            code = error.args[0].code() if error.args and isinstance(error.args[0], KafkaError) else None
            if code in _STALE:
                _admin.cache_clear()
            elif code not in _PASSING:
                raise
            if time.monotonic() > deadline:
                raise ViewUnavailable(str(error.args[0])) from error
        time.sleep(_PAUSE_S)


def is_error(error: KafkaException, codes: set[int]) -> bool:
    """Whether the exception carries one of those codes."""
    return bool(error.args) and isinstance(error.args[0], KafkaError) and error.args[0].code() in codes
