"""What costs something may be asked only so often, by one person and one address; a refusal says when."""

import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from sandboxes import limits
from sandboxes.errors import TooOften
from sandboxes.limits import ANSWER, CLASS, FAULT, GRADE, LAB, POLL, RUN, SAVE, START, Limit, Share
from tests.security.stage import Scene

_LESSON = "/lessons/first/"
_AT_LAB = f"{_LESSON}labs/one/"
# What is asked, by which limit, with which form.
COSTLY = [
    ("/sandbox/start/", START, {}),
    ("/sandbox/stop/", START, {}),
    ("/sandbox/start-over/", START, {}),
    (f"{_AT_LAB}start/", LAB, {}),
    (f"{_AT_LAB}reset/", LAB, {}),
    (f"{_AT_LAB}tasks/run/check/", GRADE, {}),
    (f"{_AT_LAB}tasks/run/hint/1/", GRADE, {}),
    (f"{_LESSON}quiz/where/", ANSWER, {"answer": "log"}),
    (f"{_LESSON}predict/guess/", ANSWER, {"answer": "a"}),
]


@pytest.fixture(autouse=True)
def _one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window ends while a test counts."""
    monkeypatch.setattr("sandboxes.limits.time.time", lambda: 1_000_000_010.0)


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every limit is two."""
    real = limits.waits_s

    def waits_s(shares: Sequence[Share]) -> list[int]:
        return real([(limit, who, 2 * times // limit.times) for limit, who, times in shares])

    monkeypatch.setattr(limits, "waits_s", waits_s)


def press(scene: Scene, person: str, path: str, form: dict[str, str], address: str) -> Any:
    return scene.client(person).post(path, form, headers={"HX-Request": "true"}, REMOTE_ADDR=address)


def says_when(answer: Any) -> bool:
    return answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 61


@pytest.mark.usefixtures("twice")
@pytest.mark.parametrize(("path", "limit", "form"), COSTLY, ids=[path for path, _, _ in COSTLY])
def test_one_person_is_told_to_wait_and_others_are_not(
    scene: Scene, path: str, limit: Limit, form: dict[str, str]
) -> None:
    answers = [press(scene, "ada", path, form, "10.0.0.1") for _ in range(3)]

    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert says_when(answers[2])
    assert f"You may {limit.what} {limit.times} times in 60 s." in answers[2].content.decode()
    assert press(scene, "edsger", path, form, "10.0.0.1").status_code == 200


@pytest.mark.parametrize(("path", "limit", "form"), COSTLY, ids=[path for path, _, _ in COSTLY])
def test_an_address_has_a_share_of_its_own(
    scene: Scene, path: str, limit: Limit, form: dict[str, str]
) -> None:
    for _ in range(limit.times * CLASS):
        limits.used_up(limit, "at:10.0.0.1", limit.times * CLASS)

    assert says_when(press(scene, "ada", path, form, "10.0.0.1"))
    assert press(scene, "ada", path, form, "10.0.0.2").status_code == 200


def test_an_address_that_somebody_made_up_brings_no_share(scene: Scene) -> None:
    """Only the web server says where a request came from, and it believes a proxy on this machine alone."""
    client = scene.client("ada")
    for _ in range(START.times * CLASS):
        limits.used_up(START, "at:10.0.0.1", START.times * CLASS)

    made_up = {"HX-Request": "true", "X-Forwarded-For": "10.9.9.9", "X-Real-IP": "10.9.9.9"}
    assert says_when(client.post("/sandbox/start/", headers=made_up, REMOTE_ADDR="10.0.0.1"))


@pytest.mark.parametrize(
    "limit", [START, RUN, SAVE, FAULT, LAB, GRADE, ANSWER, POLL], ids=lambda limit: limit.name
)
def test_a_limit_lets_so_many_through_and_speaks_plainly(limit: Limit) -> None:
    for _ in range(limit.times):
        limits.spend(limit, 7, address="10.0.0.1")

    with pytest.raises(TooOften) as refused:
        limits.spend(limit, 7, address="10.0.0.1")

    seconds = refused.value.retry_after_s
    assert refused.value.sentence.startswith(f"You may {limit.what} {limit.times} times in ")
    assert refused.value.sentence.endswith(f"Try again in {seconds} s.")


def test_what_one_refused_person_asks_is_not_taken_from_their_class() -> None:
    for _ in range(START.times * CLASS + 1):
        with contextlib.suppress(TooOften):
            limits.spend(START, 7, address="10.0.0.1")

    limits.spend(START, 8, address="10.0.0.1")


@pytest.mark.logs("limits.no_cache")
def test_without_a_cache_nobody_is_kept_from_working(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no cache")

    monkeypatch.setattr("sandboxes.limits.cache.count", away)
    for _ in range(2 * START.times):
        limits.spend(START, 7, address="10.0.0.1")
