"""Whether the site can do all of its work: one part after the other, a sentence for each."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config import heartbeat
from sandboxes import provisioning, pulse
from sandboxes.backends.base import BackendError

_REDIS_S = 1.0
# Anybody may ask, as often as they like; the parts are asked once a second.
_KEPT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing the site stands on. sentence: what is so, and, when it is not ready, what will be done."""

    name: str
    ready: bool
    sentence: str


def parts() -> tuple[Part, ...]:
    """Every part, looked at now or within the last second."""
    now = time.monotonic()
    if _Kept.parts is None or now - _Kept.at > _KEPT_S:
        _Kept.parts, _Kept.at = tuple(look() for look in LOOKS), now
    return _Kept.parts


class _Kept:
    parts: tuple[Part, ...] | None = None
    at = 0.0


def database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Part(name="database", ready=False, sentence="The database does not answer. It is asked again.")
    return Part(name="database", ready=True, sentence="The database answers.")


def migrations() -> Part:
    try:
        missing = _missing_migrations()
    except DatabaseError:
        return Part(name="migrations", ready=False, sentence="The database's form is not known.")
    if missing:
        sentence = f"The database lacks {missing} migrations. Run: manage.py migrate"
        return Part(name="migrations", ready=False, sentence=sentence)
    return Part(name="migrations", ready=True, sentence="The database has the form of this version.")


def _missing_migrations() -> int:
    """How many this code has and the database has not; once there are none, that stays so."""
    if _Migrated.done:
        return 0
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    _Migrated.done = not missing
    return missing


class _Migrated:
    done = False


@cache
def _redis() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=_REDIS_S, socket_connect_timeout=_REDIS_S)


def redis_answers() -> Part:
    try:
        _redis().ping()
    except (redis.RedisError, OSError):
        sentence = "Redis does not answer. Pages work; starts wait and live pictures pause until it is back."
        return Part(name="redis", ready=False, sentence=sentence)
    return Part(name="redis", ready=True, sentence="Redis answers.")


def host() -> Part:
    """What runs the sandboxes of this site's own cluster."""
    try:
        running = len(provisioning.backend_for(None).inventory())
    except BackendError:
        sentence = "The sandbox host does not answer. Sandboxes go on running; starts wait until it is back."
        return Part(name="host", ready=False, sentence=sentence)
    return Part(name="host", ready=True, sentence=f"The sandbox host answers and holds {running} sandboxes.")


def worker() -> Part:
    age_s = heartbeat.age_s()
    if age_s is None:
        sentence = "No worker has executed a heartbeat that we know of. One is sent every five seconds."
        return Part(name="worker", ready=False, sentence=sentence)
    sentence = f"A worker executed a heartbeat {age_s:.0f} s ago."
    return Part(name="worker", ready=age_s <= heartbeat.LATE_S, sentence=sentence)


def sweep() -> Part:
    age_s = pulse.since_sweep_s()
    if age_s is None:
        sentence = "No sweep has ended that we know of. Beat sends one every ten seconds."
        return Part(name="sweep", ready=False, sentence=sentence)
    sentence = f"The last sweep ended {age_s:.0f} s ago."
    return Part(name="sweep", ready=age_s <= pulse.OVERDUE_S, sentence=sentence)


LOOKS: Iterable[Callable[[], Part]] = (database, migrations, redis_answers, host, worker, sweep)
