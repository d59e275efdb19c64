import pytest

from lessons.rendering.svg import BadDrawingError, inline_svg

NS = 'xmlns="http://www.w3.org/2000/svg"'


def drawing(inside: str, attributes: str = 'viewBox="0 0 9 9"') -> str:
    return f"<svg {NS} {attributes}><title>What it shows</title>{inside}</svg>"


def test_a_drawing_is_named_by_its_title_and_scales_with_the_page() -> None:
    made = inline_svg(drawing("<desc>More.</desc>", 'viewBox="0 0 9 9" width="900" height="9"'), prefix="f1-")

    assert made.startswith(
        '<svg viewBox="0 0 9 9" class="engraving" role="img" aria-labelledby="f1-title f1-desc">'
    )


def test_ids_and_what_points_to_them_are_made_unique() -> None:
    made = inline_svg(
        drawing('<g id="w"/><use href="#w"/><path clip-path="url(#c)" marker-end="url(#m)" d="M0 0"/>'),
        prefix="p-",
    )

    assert 'id="p-w"' in made
    assert 'href="#p-w"' in made
    assert 'clip-path="url(#p-c)"' in made
    assert 'marker-end="url(#p-m)"' in made


def test_text_is_escaped() -> None:
    assert "<text>a &lt; b &amp; c</text>" in inline_svg(drawing("<text>a &lt; b &amp; c</text>"), prefix="")


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<style>*{fill:red}</style>",
        "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'>x</p></foreignObject>",
        '<path d="M0 0" onclick="alert(1)"/>',
        '<a href="https://evil.example"><text>x</text></a>',
        '<use href="https://evil.example/x.svg#a"/>',
        '<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#a"/>',
        '<image href="data:image/png;base64,x"/>',
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<set attributeName="onclick" to="alert(1)"/>',
        '<path d="M0 0" style="fill:url(https://evil.example)"/>',
        '<path d="M0 0" fill="#ff0000"/>',
        '<path d="M0 0" fill="url(https://evil.example)"/>',
        '<path d="M0 0" clip-path="url(https://evil.example#a)"/>',
        "<g>loose words</g>",
        '<html:script xmlns:html="http://www.w3.org/1999/xhtml">alert(1)</html:script>',
    ],
)
def test_what_could_act_or_reach_out_is_refused(inside: str) -> None:
    with pytest.raises(BadDrawingError):
        inline_svg(drawing(inside), prefix="")


@pytest.mark.parametrize(
    "source",
    [
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + drawing("<text>&a;</text>"),
        f"<svg {NS} viewBox='0 0 1 1'></svg>",
        f"<svg {NS} viewBox='0 0 1 1'><title> </title></svg>",
        f"<svg {NS}><title>No box</title></svg>",
        "<svg viewBox='0 0 1 1'><title>No namespace</title></svg>",
        "<svg",
        "",
    ],
)
def test_what_is_no_usable_drawing_is_refused(source: str) -> None:
    with pytest.raises(BadDrawingError):
        inline_svg(source, prefix="")
