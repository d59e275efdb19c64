"""The scene of the security tests: the cast, and a sandbox of Ada's that runs in the memory backend."""

from dataclasses import dataclass
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from accounts.models import User
from sandboxes import provisioning
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, PoolReservation, Sandbox
from tests import small_course
from tests.cast import Cast, assemble

ADAS_FILE = "ada.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    cast: Cast
    sandbox: Sandbox
    reservation: PoolReservation

    def person(self, name: str) -> User | None:
        """One of PEOPLE; None for nobody."""
        return None if name == "nobody" else getattr(self.cast, name)

    def client(self, name: str) -> Client:
        """A browser in which that person is signed in; it keeps the answer when a page breaks."""
        client = Client(raise_request_exception=False)
        if user := self.person(name):
            client.force_login(user)
        return client

    def fill(self, path: str) -> str:
        """A row's path with the names of this scene."""
        return path.format(
            sandbox=self.sandbox.id,
            cluster=self.sandbox.cluster_id,
            reservation=self.reservation.pk,
            cohort=self.cast.spring.pk,
            ada=self.cast.ada.pk,
        )


def set_scene() -> Scene:
    """Ada's sandbox is ready and holds one file; nobody else has one. A small course is served."""
    cast = assemble()
    small_course.serve()
    sandbox = Sandbox.objects.create(
        owner=cast.ada, cluster=Cluster.objects.create(name="here", backend="memory"), state=State.READY
    )
    backend = provisioning.backend_for(sandbox)
    for _ in range(5):
        backend.ensure(provisioning.spec_of(sandbox))
    provisioning.workspace(sandbox).write_file(ADAS_FILE, "print('ada')\n", base_version=None)
    reservation = PoolReservation.objects.create(
        cluster=Cluster.objects.get(), profile="kafka-1", count=1, until=timezone.now() + timedelta(hours=1)
    )
    return Scene(cast=cast, sandbox=sandbox, reservation=reservation)
