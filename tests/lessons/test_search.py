"""Search finds what everybody may read, best first, and never an answer, a hint or a judge."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lessons import selectors, services
from lessons.catalog import read_course
from lessons.models import CourseVersion, LessonPage
from lessons.publishing import searchable
from lessons.rendering.passages import words_of
from lessons.search import Entry, find, words_in
from tests import make
from tests.lessons import rows

CONTENT = Path(__file__).parents[2] / "lessons" / "content"


def entry(heading: str, text: str, *, kind: str = "text", number: int = 1) -> Entry:
    return Entry(number=number, lesson="A lesson", kind=kind, heading=heading, text=text, url="/x/")


ENTRIES = [
    entry("When a member leaves", "Only when session.timeout.ms runs out does the group change.", number=8),
    entry("The poll loop", "A slow handler is evicted. Offsets stay. Offsets are kept. Offsets!", number=7),
    entry("Offsets", "A place in a log.", kind="term", number=3),
    entry("The log", "Records stand in a log; each has an offset. Committed or not.", number=3),
]


def headings(query: str) -> list[str]:
    return [hit.entry.heading for hit in find(ENTRIES, query)]


def test_a_word_in_a_heading_weighs_more_than_in_the_text() -> None:
    assert headings("offsets") == ["Offsets", "The poll loop"]


def test_the_beginning_of_a_word_finds_it_and_its_middle_does_not() -> None:
    assert headings("offs")[0] == "Offsets"
    assert headings("ffsets") == []


@pytest.mark.parametrize("query", ["session.timeout", "SESSION.TIMEOUT.MS", "session timeout", "timeout.ms"])
def test_a_setting_is_found_by_its_name_or_by_its_words(query: str) -> None:
    assert headings(query) == ["When a member leaves"]


def test_all_words_are_wanted_and_where_none_has_all_some_are_shown() -> None:
    assert headings("log committed") == ["The log"]
    assert set(headings("timeout handler")) == {"When a member leaves", "The poll loop"}


@pytest.mark.parametrize("query", ["", "  ", "?!", "“”", "." * 50])
def test_a_query_without_words_finds_nothing(query: str) -> None:
    assert words_in(query) == ()
    assert find(ENTRIES, query) == []


@pytest.mark.parametrize("query", ["(", "a|b", "[z-a]", "\\", ".*", "x" * 5_000, "\x00", "é"])
def test_nothing_that_can_be_typed_is_an_expression(query: str) -> None:
    assert all(hit.entry in ENTRIES for hit in find(ENTRIES, query))


def test_the_snippet_shows_the_words_in_the_middle_of_what_stands_around_them() -> None:
    long = entry("Far", f"{'before ' * 80}the needle is here {'after ' * 80}")
    (hit,) = find([long], "needle")

    shown = "".join(text for text, _ in hit.snippet)
    assert [text for text, marked in hit.snippet if marked] == ["needle"]
    assert shown.startswith("… before")
    assert shown.endswith("after …")
    assert len(shown) < 240


# -- what is searched --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course() -> Any:
    return read_course(CONTENT)


def test_no_answer_hint_or_judge_of_the_real_course_can_be_found(course: Any) -> None:
    secrets, said = set(), ""
    for lesson in course.lessons:
        said += " ".join(row["text"] for row in searchable(lesson))
        secrets |= {words_of(ask["answer"]) for key, ask in lesson.page.asks.items() if key[0] == "p"}
        for ask in (ask for key, ask in lesson.page.asks.items() if key[0] == "q"):
            secrets |= {
                words_of(f"<p>{why}</p>") for why in (ask["why"], *(o["why"] for o in ask["options"]))
            }
        for folder in lesson.labs:
            secrets |= {hint for ladder in folder.lab.hints.values() for hint in ladder}

    secrets -= {""}
    assert len(secrets) > 40
    assert [secret for secret in secrets if secret in said] == []


def test_every_passage_of_the_real_course_leads_to_a_place_on_its_page(course: Any) -> None:
    for lesson in course.lessons:
        passages = searchable(lesson)
        anchors = lesson.page.anchors | {""}
        assert {row["anchor"] for row in passages} <= anchors
        assert {"text", "lab"} <= {row["kind"] for row in passages}


# -- the page ----------------------------------------------------------------------------------------------


@pytest.fixture
def page(client: Client, db: None, tmp_path: Path, settings: Any) -> Client:
    rows.load_small_course(tmp_path, settings)
    client.force_login(make.student("ada"))
    return client


def shown(page: Client, query: str, **headers: str) -> str:
    return page.get("/search/", {"q": query}, headers=headers).content.decode()


def test_the_page_links_to_the_section_and_marks_the_word(page: Client) -> None:
    text = shown(page, "offset")

    assert '<a href="/lessons/first/#record">A record</a>' in text
    assert "It has an <mark>offset</mark>." in text


@pytest.mark.parametrize("query", ["nought", "nowhere", "sky", "pressed", "NOT_RUN"])
def test_prediction_question_and_hints_are_not_found(page: Client, query: str) -> None:
    assert "Nothing here says" in shown(page, query)


def test_a_lesson_that_is_coming_is_found_and_not_linked(page: Client) -> None:
    text = shown(page, "second")

    assert "still being written" in text
    assert "/lessons/second/" not in text


def test_the_kind_narrows_what_is_shown_and_keeps_the_counts(page: Client) -> None:
    text = page.get("/search/", {"q": "program", "kind": "lab"}).content.decode()

    assert "/lessons/first/#lab-one" in text
    assert re.search(r'value="lab" checked>.*?<small>1</small>', text)


def test_as_one_types_only_the_results_are_sent(page: Client) -> None:
    text = shown(page, "offset", **{"HX-Request": "true", "HX-Target": "results"})

    assert "<mark>offset</mark>" in text
    assert "<html" not in text
    assert 'id="q"' not in text


@pytest.mark.parametrize(
    "headers", [{}, {"HX-Request": "true", "HX-Target": "results"}], ids=["page", "part"]
)
def test_neither_the_page_nor_its_part_may_be_stored_in_place_of_the_other(
    page: Client, headers: dict[str, str]
) -> None:
    answer = page.get("/search/", {"q": "offset"}, headers=headers)

    assert {"HX-Request", "HX-Target"} <= set(answer["Vary"].split(", "))


def test_what_was_typed_is_text(page: Client) -> None:
    text = shown(page, "<script>alert(1)</script>")

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_a_course_stored_before_there_were_passages_is_stored_anew(page: Client) -> None:
    LessonPage.objects.update(passages=[])
    CourseVersion.objects.update(digest="of another form")
    services.load_course()
    selectors.forget_course()

    assert "<mark>offset</mark>" in shown(page, "offset")
