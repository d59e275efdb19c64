"""Picks the backend of a sandbox: the only module that knows which ones there are."""

from functools import cache
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from sandboxes.backends.base import Backend, KafkaEndpoint, Phase, Spec, Tier, Workspace
from sandboxes.errors import NoSuchSandbox, NotReady
from sandboxes.lifecycle import ALIVE
from sandboxes.models import Cluster, Sandbox

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
    """The platform's way to a sandbox's Kafka; asks the backend, so keep the answer while it works.

    Raises NotReady while there is none (NoSuchSandbox when there will be none again), BackendError when the
    backend cannot be asked.
    """
    sandbox = Sandbox.objects.select_related("cluster").filter(pk=sandbox_id).first()
    if sandbox is None or sandbox.wanted == Sandbox.Wanted.ABSENT:
        raise NoSuchSandbox("This sandbox was deleted. Press Start for a new one.")
    if sandbox.now not in ALIVE:
        raise NotReady("Your sandbox is not running. Press Start.")
    seen = backend_for(sandbox).observe(sandbox.hex)
    if seen.phase is not Phase.RUNNING or seen.endpoint is None:
        raise NotReady(seen.detail or "Your broker does not answer at the moment.")
    return seen.endpoint


def workspace(sandbox: Sandbox) -> Workspace:
    """The files and programs of a sandbox; NotReady unless it is up."""
    if sandbox.now not in ALIVE:
        raise NotReady("Your sandbox is not running. Press Start.")
    return backend_for(sandbox).workspace(sandbox.hex)


def tier(place: Sandbox | Cluster | None) -> Tier:
    """How well programs are held there; OFF when the backend cannot be asked."""
    return backend_for(place).tier()
