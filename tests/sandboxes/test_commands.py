from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import User
from sandboxes import services
from tests.sandboxes import doubles
from tests.sandboxes.driving import ready_sandbox

pytestmark = pytest.mark.django_db


def run(command: str) -> str:
    said = StringIO()
    call_command(command, stdout=said)
    return said.getvalue()


def test_the_list_names_every_sandbox_that_is_not_gone(ada: User, edsger: User) -> None:
    mine, waiting = ready_sandbox(ada), services.request_sandbox(edsger)

    said = run("list_sandboxes")

    assert f"{mine.pk}  ready" in said
    assert f"{waiting.pk}  queued" in said
    assert len(said.splitlines()) == 2


def test_a_sweep_by_hand_rings_for_what_needs_it(ada: User) -> None:
    ready_sandbox(ada)
    doubles.forget_everything()

    assert run("sweep_sandboxes") == "1 sandboxes rung for.\n"
