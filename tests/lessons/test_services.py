"""Hints, questions and predictions; attempts are proven on a real Kafka in test_attempt_kafka.py."""

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from lessons import measuring, services
from lessons.errors import NotNow
from lessons.models import Answer, HintOpened, TaskProgress
from lessons.quizzes import Item, Read
from sandboxes.view import GroupView
from tests import make
from tests.lessons import rows
from tests.lessons.paper import PaperView

pytestmark = pytest.mark.django_db

ITEM = Item.model_validate({
    "id": "where", "kind": "choice", "prompt": "?",
    "options": [{"id": "a", "text": "A", "right": True, "why": "yes"}, {"id": "b", "text": "B", "why": "no"}],
})  # fmt: skip
ASK = {"id": "guess", "options": [{"id": "a", "html": "A"}, {"id": "b", "html": "B"}]}


@pytest.fixture
def ada() -> User:
    return make.student("ada")


def failed(user: User, times: int) -> TaskProgress:
    rows.attempt(user, rows.two_task_lab(), None)
    row = rows.progress(user, "first")
    row.failures, row.last_cause = {"BAD_RECORD": [times, timezone.now().timestamp()]}, "BAD_RECORD"
    row.save()
    return row


def test_each_failed_attempt_opens_one_step_and_no_more(ada: User) -> None:
    failed(ada, 2)

    assert [services.open_hint(ada, "1.1", "first", step) for step in (1, 2, 3, 4)] == [1, 2, 2, 2]
    assert list(HintOpened.objects.values_list("cause", "step")) == [("BAD_RECORD", 1), ("BAD_RECORD", 2)]


def test_asking_for_a_hint_twice_opens_it_once(ada: User) -> None:
    failed(ada, 3)

    assert [services.open_hint(ada, "1.1", "first", 1) for _ in range(2)] == [1, 1]
    assert HintOpened.objects.count() == 1


def test_without_a_failure_there_is_no_hint(ada: User) -> None:
    rows.attempt(ada, rows.two_task_lab(), None)

    with pytest.raises(NotNow):
        services.open_hint(ada, "1.1", "first", 1)


def test_one_students_failures_open_nothing_for_another(ada: User) -> None:
    failed(ada, 3)

    with pytest.raises(NotNow):
        services.open_hint(make.student("edsger"), "1.1", "first", 1)


def test_a_wrong_answer_may_be_tried_again_and_the_first_is_remembered(ada: User) -> None:
    assert services.answer_quiz(ada, "first", ITEM, "b").right is False
    answer = services.answer_quiz(ada, "first", ITEM, "a")

    assert (answer.right, answer.first, answer.tries) == (True, "b", 2)


def test_a_right_answer_stays_right(ada: User) -> None:
    services.answer_quiz(ada, "first", ITEM, "a")

    assert services.answer_quiz(ada, "first", ITEM, "b").right is True
    assert Answer.objects.get().tries == 1


def test_a_wrong_answer_does_not_replace_a_right_one_that_came_at_the_same_moment(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.answer_quiz(ada, "first", ITEM, "b")
    now = timezone.now()

    def meanwhile() -> datetime:
        Answer.objects.update(answer="a", right=True)
        return now

    monkeypatch.setattr(timezone, "now", meanwhile)

    assert services.answer_quiz(ada, "first", ITEM, "b").right
    assert Answer.objects.get().answer == "a"


def test_what_is_no_answer_is_asked_for_again(ada: User) -> None:
    with pytest.raises(NotNow, match="Choose one"):
        services.answer_quiz(ada, "first", ITEM, "z")


def test_an_order_that_uses_a_place_twice_is_told_so(ada: User) -> None:
    order = ITEM.model_copy(update={"kind": "order"})
    with pytest.raises(NotNow, match="Each place may be used once"):
        services.answer_quiz(ada, "first", order, "")


def test_a_prediction_is_written_once(ada: User) -> None:
    services.predict(ada, "first", ASK, "b")

    assert services.predict(ada, "first", ASK, "a").answer == "b"


def test_a_lab_cannot_begin_without_a_running_sandbox(ada: User) -> None:
    for state in ("provisioning", "suspended", "failed"):
        rows.sandbox(ada, state)
        with pytest.raises(NotNow, match="not running"):
            services.start_attempt(ada, rows.two_task_lab())
        ada.sandboxes.all().delete()


def test_check_without_an_attempt_says_what_to_do_first(ada: User) -> None:
    with pytest.raises(NotNow, match="Press Begin"):
        services.check_now(ada, "1.1", "first")


@pytest.mark.parametrize(
    ("read", "number"),
    [
        ({"what": "end", "topic": "orders"}, 5),
        ({"what": "end", "topic": "orders", "partition": 1}, 2),
        ({"what": "partitions", "topic": "orders"}, 2),
        ({"what": "records", "topic": "orders"}, 5),
        ({"what": "start", "topic": "orders"}, 0),
        ({"what": "lag", "topic": "orders", "group": "audit"}, 2),
        ({"what": "committed", "topic": "orders", "group": "audit"}, 1),
        ({"what": "members", "group": "audit"}, 0),
    ],
)
def test_a_number_is_read_from_the_students_own_cluster(read: dict[str, Any], number: float) -> None:
    group = GroupView(group_id="audit", type="classic", state="Empty", committed={("orders", 0): 1})
    view = PaperView(log={"orders": [[b"", b"", b""], [b"", b""]]}, groups={"audit": group})

    assert measuring.read_number(view, Read.model_validate(read)) == number


def test_a_topic_that_is_not_there_cannot_be_read() -> None:
    with pytest.raises(NotNow, match="no topic moon"):
        measuring.read_number(PaperView(), Read(what="end", topic="moon"))


def test_nonces_differ_and_fit_any_name() -> None:
    nonces = {services.new_nonce() for _ in range(1000)}

    assert len(nonces) == 1000
    assert all(len(n) == 10 and n.isalnum() and n[0].isalpha() and n.islower() for n in nonces)
