"""Program output keeps its colours and loses every other escape sequence."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.workspace.ansi import ColourOnly, clean

ESC = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@pytest.mark.parametrize("colour", ["\x1b[m", "\x1b[0m", "\x1b[1;31m", "\x1b[38;5;208m", "\x1b[48:2::1:2:3m"])
def test_colours_stay(colour: str) -> None:
    assert clean(f"a{colour}b") == f"a{colour}b"


@pytest.mark.parametrize(
    "attack",
    [
        *("\x1b]0;owned\x07", "\x1b]52;c;ZXZpbA==\x1b\\", "\x1b]8;;http://evil\x1b\\", "\x9d52;c;eA==\x9c"),
        *("\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[21t", "\x9b6n", "\x1bP$q\"p\x1b\\", "\x90q\x9c"),
        *("\x1b[2J", "\x1b[H", "\x1b[1;1H", "\x1b[?1049h", "\x1b[?25l", "\x1bc", "\x1b(0", "\x1b#8"),
        *("\x1b_x\x1b\\", "\x1b^y\x1b\\", "\x1bXz\x1b\\", "\x1b[>4;1m", "\x1b[?5m", "\x1b[1 m"),
        *("\x00", "\x07", "\x08", "\x7f", "\x85", "\x0e", "\x0f", "\x1b[" + "1;" * 60 + "m"),
    ],
)  # fmt: skip
def test_everything_else_goes(attack: str) -> None:
    assert clean(f"a{attack}b") == "ab"


def test_text_of_the_world_stays() -> None:
    text = "tab\there\nÜmläut 漢字 🦀 \u202e bidi \u200b\r\n"

    assert clean(text) == text


def test_an_unfinished_string_ends_with_the_line() -> None:
    assert clean("\x1b]0;never ends\nnext line") == "\nnext line"


def test_a_cancel_ends_a_sequence() -> None:
    assert clean("\x1b[12\x18after") == "after"


def test_a_sequence_inside_a_sequence_does_not_smuggle_one_through() -> None:
    assert clean("\x1b[\x1b[6n31m") == "31m"
    assert clean("\x1b]0;\x1b[31m") == "\x1b[31m"
    assert clean("\x1b\x1b[2J") == ""


HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\x1b[]PX^_\\\x07\x18\x9b\x9c\x9d\x90m;:0123456789?>Hc\n\r\t a("), st.characters()
    )
)


@given(HOSTILE)
def test_no_escape_is_left_but_those_of_colours(text: str) -> None:
    shown = COLOUR.sub("", clean(text))

    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", shown)


@given(HOSTILE, st.lists(st.integers(0, 40), max_size=6))
def test_where_the_output_is_cut_makes_no_difference(text: str, cuts: list[int]) -> None:
    cleaner, pieces = ColourOnly(), []
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(edges):
        pieces.append(cleaner.feed(text[start:end]))

    assert "".join(pieces) == clean(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_plain_text_is_not_touched(text: str) -> None:
    assert clean(text) == text
