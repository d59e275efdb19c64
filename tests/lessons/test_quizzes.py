import pytest
from pydantic import ValidationError

from lessons.quizzes import Item, Quiz, is_answer, is_right, parse_number

CHOICE = {
    "id": "q", "kind": "choice", "prompt": "?",
    "options": [{"id": "a", "text": "A", "right": True, "why": "yes"}, {"id": "b", "text": "B", "why": "no"}],
}  # fmt: skip
ORDER = {
    "id": "o",
    "kind": "order",
    "prompt": "?",
    "why": "so",
    "options": [{"id": n, "text": n} for n in "abc"],
}


def item(**fields: object) -> Item:
    return Item.model_validate(fields)


def test_the_right_option_is_right() -> None:
    assert is_right(item(**CHOICE), "a")
    assert not is_right(item(**CHOICE), "b")
    assert not is_answer(item(**CHOICE), "c")


def test_an_order_is_right_only_as_a_whole() -> None:
    assert is_right(item(**ORDER), "a,b,c")
    assert not is_right(item(**ORDER), "b,a,c")
    assert is_answer(item(**ORDER), "c,b,a")
    assert not is_answer(item(**ORDER), "a,b")
    assert not is_answer(item(**ORDER), "a,b,b")


@pytest.mark.parametrize("text", ["1024", "1,024", "1 024", " 1024.0 "])
def test_a_number_is_read_as_people_write_it(text: str) -> None:
    assert is_right(item(id="n", kind="numeric", prompt="?", answer=1024), text)


@pytest.mark.parametrize("text", ["", "many", "1e400", "nan"])
def test_what_is_no_number_is_no_answer(text: str) -> None:
    assert parse_number(text) is None


def test_a_measured_number_is_compared_with_the_measurement() -> None:
    asked = item(id="n", kind="numeric", prompt="?", read={"what": "end", "topic": "orders"}, tolerance=1)

    assert is_right(asked, "41", measured=42)
    assert not is_right(asked, "40", measured=42)
    assert not is_right(asked, "42", measured=None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"options": [{"id": "a", "text": "A", "why": "x"}, {"id": "b", "text": "B", "why": "x"}]},
            "one right option",
        ),
        (
            {"options": [{"id": "a", "text": "A", "right": True}, {"id": "b", "text": "B", "why": "x"}]},
            "needs a why",
        ),
        ({"options": []}, "at least two"),
        ({"kind": "numeric"}, "either an answer or a read"),
    ],
)
def test_an_item_that_makes_no_sense_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        item(**{**CHOICE, **change})


def test_two_items_with_one_id_are_refused() -> None:
    with pytest.raises(ValidationError, match="twice"):
        Quiz.model_validate({"items": [CHOICE, CHOICE]})
