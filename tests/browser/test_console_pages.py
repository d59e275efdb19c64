"""The admin's pages with a full house in a real browser: axe finds nothing, and nothing overflows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from sandboxes import services
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from tests.browser import shots_of
from tests.browser.reading import assert_reads_well
from tests.browser.test_pages import LOOKS, Visit, browser, cast, sign_in, visit  # noqa: F401
from tests.cast import Cast
from tests.sandboxes.driving import ready_sandbox, settle
from tests.sandboxes.rooms import made_up

# No Redis runs beside these tests, so nobody is told of what changes.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.logs("announce.lost"),
]


@pytest.fixture
def house(cast: Cast) -> Sandbox:  # noqa: F811
    """Sandboxes in every state on two clusters, and one whose life was long; that one."""
    storied, at = _storied(cast.ada, cast.root), timezone.now()
    away = Cluster.objects.create(name="eu-west", backend="memory", open=False)
    for number, state in enumerate(State):
        made_up(3, cluster=(storied.cluster, away)[number % 2], state=state, **_said_of(state))
    full = {"failure_cause": "disk_full", "failure_sentence": "The disk of this machine is full."}
    for failed in made_up(4, cluster=away, state=State.FAILED, **full):
        SandboxEvent.objects.create(
            sandbox=failed, old="provisioning", new="failed", generation=1, actor="worker",
            cause="disk_full", detail="The disk of this machine is full.",
        )  # fmt: skip
    services.reserve_pool(
        away,
        profile="kafka-1",
        count=12,
        until=at + timedelta(hours=2),
        reason="Class of Grace",
        by=cast.root,
    )
    return storied


def _storied(owner: User, admin: User) -> Sandbox:
    sandbox = ready_sandbox(owner)
    services.stop_sandbox(sandbox, by=admin, reason="The machine is moved to another room tonight.")
    settle(sandbox)
    services.resume(sandbox)
    settle(sandbox)
    services.hold(sandbox, until=timezone.now() + timedelta(hours=1), by=admin, reason="the exam")
    return sandbox


def _said_of(state: State) -> dict[str, object]:
    if state is State.FAILED:
        return {"failure_cause": "start_timeout", "failure_sentence": "Your Kafka did not start in time."}
    return {"detail": "A volume is still attached to its machine."} if state is State.QUARANTINED else {}


@pytest.mark.parametrize(
    "visit",
    LOOKS if shots_of.FOLDER else [LOOKS[1], LOOKS[2]],  # narrow and dark, wide and light
    indirect=True,
    ids=lambda look: f"{look['viewport']['width']}-{look['color_scheme']}",
)
def test_a_full_house_keeps_its_policy_pleases_axe_and_fits(visit: Visit, house: Sandbox) -> None:  # noqa: F811
    sign_in(visit, "root")
    for name, address in {
        "sandboxes": "/console/sandboxes/",
        "failed": "/console/sandboxes/?state=failed",
        "none": "/console/sandboxes/?q=nobody-is-called-so",
        "sandbox": f"/console/sandboxes/{house.pk}/",
        "stop": f"/console/sandboxes/{house.pk}/stop/",
        "hold": f"/console/sandboxes/{house.pk}/hold/",
        "clusters": "/console/clusters/",
        "cluster": f"/console/clusters/{house.cluster_id}/",
    }.items():
        visit.go(address)
        shots_of.take(visit.page, f"console-{name}")

        assert visit.said == [], name
        assert visit.asked_elsewhere == [], name
        assert_reads_well(visit.page, name)
