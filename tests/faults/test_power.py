"""SIGKILL for every process of a site and of its sandboxes at one moment, then `manage.py up` again (F22)."""

from collections.abc import Iterator

import pytest

from tests.faults.table import Case
from tests.faults.visitor import Visitor
from tests.faults.whole_site import WholeSite, make_topic, produce, read_all, whole_site

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("power")]
QUIZ = "/lessons/first-producer/quiz/flush-returns/"
TOPIC = "orders"
STARTED = {"queued", "provisioning", "binding", "ready"}
PATIENCE_S = 120


@pytest.fixture
def site() -> Iterator[WholeSite]:
    with whole_site(WARM_POOL="1") as site:
        yield site


@pytest.mark.logs("host.", "sandbox.", "pool.", "sweep.", "live.", "kombu|celery")
@pytest.mark.fault("F22", "SIGKILL of everything, then up again", holds="I1 I2 I3 I5 I6 I7")
def test_after_a_power_cut_everything_is_there_again(site: WholeSite, case: Case) -> None:
    site.start()
    ada = Visitor(site.address).sign_in("ada", "millrace-ada")
    assert ada.press("start").state in STARTED
    site.ask("until", "ada", "ready", PATIENCE_S)
    site.ask("pool", 1, PATIENCE_S)
    hex_id = site.ask("sandbox_of", "ada")
    kafka = site.endpoint(hex_id)
    make_topic(kafka, TOPIC)
    acknowledged = [f"record {number}" for number in range(500)]
    produce(kafka, TOPIC, acknowledged)
    assert ada.post(QUIZ, {"answer": "pending"}).status == 200
    edsger = Visitor(site.address).sign_in("edsger", "millrace-edsger")
    progress = site.ask("progress")

    assert edsger.press("start").state in STARTED  # in flight when the power goes
    killed = site.cut_the_power()
    left = site.left()
    site.start()
    case.cleared()
    site.ask("until", "edsger", "ready", PATIENCE_S)
    site.ask("until", "ada", "ready", PATIENCE_S)
    records = read_all(site.endpoint(hex_id), TOPIC)
    site.endpoint(site.ask("sandbox_of", "edsger"))  # a row may say ready from before the cut
    site.ask("pool", 1, PATIENCE_S)
    site.ask("is_ready", PATIENCE_S)
    case.converged()

    assert killed > 10
    assert left == []
    assert records == acknowledged
    case.holds("I5")
    assert progress
    assert site.ask("progress") == progress
    case.holds("I6")
    case.holds(*site.ask("check", module="tests.sandboxes.worker"))
