"""Picks the backend of a sandbox: the only module that knows which ones there are."""

from datetime import timedelta
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from sandboxes.backends.base import Backend, KafkaEndpoint, Phase, Spec, Tier, Workspace
from sandboxes.errors import NoSuchSandbox, NotReady
from sandboxes.lifecycle import ALIVE
from sandboxes.models import Cluster, Sandbox, SandboxEvent

# A need is written down at most this often.
NEED_GRAIN = timedelta(seconds=10)
BACKENDS = {
    "local": "sandboxes.backends.local.backend.LocalBackend",
    "memory": "sandboxes.backends.memory.MemoryBackend",
}


def backend_for(place: Sandbox | Cluster | None) -> Backend:
    """The backend that runs a sandbox, or a cluster's; a sandbox without a cluster gets the site's own."""
    cluster = place.cluster if isinstance(place, Sandbox) else place
    return _backend((cluster.backend if cluster else "") or settings.SANDBOX_BACKEND)


@cache
def _backend(name: str) -> Backend:
    """One instance per process; made without arguments, it reads its own settings."""
    backend: Backend = import_string(BACKENDS.get(name, name))()
    return backend


def spec_of(sandbox: Sandbox) -> Spec:
    """What a backend is asked to run. Start over makes a new sandbox, so there is one generation of each."""
    return Spec(sandbox_id=sandbox.hex, profile=sandbox.profile, generation=1)


def endpoint(sandbox_id: UUID) -> KafkaEndpoint:
    """The platform's way to a sandbox's Kafka, thawed; asks the backend, so keep the answer while it works.

    Keep something that counts as need (`freezing`) while you use it: an answer kept from before a freeze
    leads to a broker that stands still. Raises NotReady while there is none (NoSuchSandbox when there will
    be none again), BackendError when the backend cannot be asked.
    """
    sandbox = Sandbox.objects.select_related("cluster").filter(pk=sandbox_id).first()
    if sandbox is None or sandbox.wanted == Sandbox.Wanted.ABSENT:
        raise NoSuchSandbox("This sandbox was deleted. Press Start for a new one.")
    _require_alive(sandbox)
    need(sandbox)
    seen = backend_for(sandbox).observe(sandbox.hex)
    if seen.phase is not Phase.RUNNING or seen.endpoint is None:
        raise NotReady(seen.detail or "Your broker does not answer at the moment.")
    return seen.endpoint


def workspace(sandbox: Sandbox) -> Workspace:
    """The files and programs of a sandbox, thawed; NotReady unless it is up."""
    _require_alive(sandbox)
    need(sandbox)
    return backend_for(sandbox).workspace(sandbox.hex)


def _require_alive(sandbox: Sandbox) -> None:
    if sandbox.now not in ALIVE:
        raise NotReady("Your sandbox is not running. Press Start.")


def need(sandbox: Sandbox) -> None:
    """Count as a need for it to be awake, and thaw it when it is frozen.

    Either the note reaches the row before a freezer's compare-and-set, which then fails, or the row says that
    it is frozen and is thawed here; and a freezer looks at the row again after it froze.
    """
    now = timezone.now()
    if not sandbox.frozen and timedelta(0) <= now - sandbox.needed_at < NEED_GRAIN:
        return
    sandbox.needed_at = now
    if not Sandbox.objects.filter(pk=sandbox.pk, frozen=False).update(needed_at=now):
        thaw(sandbox)


def thaw(sandbox: Sandbox) -> None:
    """Let its processes go on, and write that down once; nothing happens to what is not frozen."""
    backend_for(sandbox).thaw(sandbox.hex)
    sandbox.frozen, sandbox.needed_at = False, timezone.now()
    with transaction.atomic():
        rows = Sandbox.objects.filter(pk=sandbox.pk, frozen=True, state__in=ALIVE)
        if rows.update(frozen=False, needed_at=sandbox.needed_at):
            SandboxEvent.act(sandbox, "thaw", actor="worker")


def tier(place: Sandbox | Cluster | None) -> Tier:
    """How well programs are held there; OFF when the backend cannot be asked."""
    return backend_for(place).tier()
