"""New rows, each with the first event of its story: one write for many."""

from collections.abc import Sequence
from functools import partial

from django.db import transaction

from accounts.models import User
from sandboxes import metrics
from sandboxes.models import Cluster, Sandbox, SandboxEvent


def add(
    owners: Sequence[User | None],
    *,
    clusters: Sequence[Cluster],
    profile: str,
    actor: str,
    by: User | None = None,
) -> list[Sandbox]:
    """A queued sandbox for each owner, on the cluster that stands at the same place, first come first.

    Raises IntegrityError when one of them has a live sandbox already; then there is a new one for nobody.
    """
    pairs = zip(owners, clusters, strict=True)
    made = [Sandbox(owner=owner, cluster=cluster, profile=profile) for owner, cluster in pairs]
    events = [
        SandboxEvent(
            sandbox=sandbox, at=sandbox.created_at, new=sandbox.state, generation=sandbox.generation,
            actor=actor, by=by,
        )
        for sandbox in made
    ]  # fmt: skip
    with transaction.atomic():
        # Two who write for the same people in different orders would wait for each other.
        Sandbox.objects.bulk_create(sorted(made, key=lambda sandbox: sandbox.owner_id or 0))
        SandboxEvent.objects.bulk_create(events)
        for event in events:
            transaction.on_commit(partial(metrics.noted, event, event.sandbox))
    return made
