"""Pages filled from pieces: whole as text and as gzip, and nothing of a reader's compressed with the rest."""

import gzip

import pytest

from lessons.stencil import Piece, Stencil, gzipped, hole, plain, pressed, stored

PAGE = "<p>é " + "the log of the lesson. " * 400 + hole("name") + "</p>" + hole("lab:one") + "<i>end</i>"


def filled(**filling: str) -> list[Piece]:
    pieces = {name.replace("_", ":"): stored(text) for name, text in filling.items()}
    return Stencil(PAGE).fill(pieces)


def test_a_filled_page_is_the_template_with_its_holes_filled() -> None:
    page = plain(filled(name="Ada", lab_one="<b>lab</b>"))

    assert page.decode() == PAGE.replace(hole("name"), "Ada").replace(hole("lab:one"), "<b>lab</b>")


@pytest.mark.parametrize(
    "name", ["", "Ada", "Ünï" * 40, "x" * 70_000], ids=["empty", "short", "wide", "long"]
)
def test_gzip_says_the_same(name: str) -> None:
    pieces = filled(name=name, lab_one="<b>lab</b>")

    assert gzip.decompress(gzipped(pieces)) == plain(pieces)


def test_a_page_of_nothing_but_holes_is_whole_too() -> None:
    pieces = Stencil(hole("a") + hole("a")).fill({"a": stored("1")})

    assert gzip.decompress(gzipped(pieces)) == b"11"


def test_what_was_pressed_apart_may_follow_anything() -> None:
    pieces = [pressed("again " * 50), pressed("again " * 50), stored("x"), pressed("")]

    assert gzip.decompress(gzipped(pieces)) == b"again " * 100 + b"x"
    assert len(gzipped(pieces)) < 100


def test_a_hole_that_nobody_fills_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="lab:one"):
        filled(name="Ada")


def test_the_length_tells_nothing_of_how_a_filling_resembles_the_page() -> None:
    like = "the log of the lesson."
    unlike = "q8z!k#v0x@j$w%y^u&i*o("
    assert len(like) == len(unlike)

    assert len(gzipped(filled(name=like, lab_one=""))) == len(gzipped(filled(name=unlike, lab_one="")))
