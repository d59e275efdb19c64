"""What an author's text becomes: the mock-up's markup, and nothing that an author could abuse by accident."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from lessons.labs import Lab
from lessons.quizzes import Item
from lessons.rendering.code import mark_up
from lessons.rendering.model import Page, Source
from lessons.rendering.page import render_page
from lessons.sources import Problem, Problems
from tests.lessons.labs import lab

ITEM = Item.model_validate({
    "id": "where", "kind": "choice", "prompt": "Where?",
    "options": [
        {"id": "a", "text": "`log`", "right": True, "why": "Yes."}, {"id": "b", "text": "sky", "why": "No."},
    ],
})  # fmt: skip
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><title>A box</title>'
    '<defs><g id="w"><path d="M0 0"/></g></defs><use href="#w"/></svg>'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/box.svg").write_text(DRAWING)
    return tmp_path


def render(
    text: str,
    folder: Path = Path("/nowhere"),
    *,
    labs: Mapping[str, Lab] | None = None,
    items: Mapping[str, Item] | None = None,
) -> tuple[Page, list[Problem]]:
    problems = Problems(folder)
    source = Source(
        path=folder / "lesson.md",
        text=text,
        first_line=1,
        number=5,
        slug="first",
        lessons={"other": "/lessons/other/"},
        labs=labs or {},
        items=items or {},
        item_lines=dict.fromkeys(items or {}, 2),
    )
    return render_page(source, problems), problems.found


def html(text: str, folder: Path = Path("/nowhere")) -> str:
    page, problems = render(text, folder)
    assert problems == []
    return "".join(piece[-1] for piece in page.pieces)


def reasons(text: str) -> list[str]:
    return told(render(text)[1])


def told(problems: list[Problem]) -> list[str]:
    return [f"{problem.line}: {problem.reason}" for problem in problems]


# -- the shape of a page -----------------------------------------------------------------------------------


def test_a_heading_begins_a_section_and_stands_in_the_outline() -> None:
    page, _ = render("Before.\n\n## One log, many readers\n\nText.\n\n## A `commit` {#promise}\n\nMore.")

    assert page.outline == [
        ("one-log-many-readers", "One log, many readers", ""),
        ("promise", "A commit", ""),
    ]
    assert page.pieces[0][1] == (
        "<section><p>Before.</p></section>"
        '<section id="one-log-many-readers"><h2>One log, many readers</h2><p>Text.</p></section>'
        '<section id="promise"><h2>A <code>commit</code></h2><p>More.</p></section>'
    )


def test_a_live_value_is_an_output_that_a_script_fills() -> None:
    made = html("It is {live:lag group=audit topic=orders} behind.")

    assert '<output class="lv" data-group="audit" data-live="lag" data-topic="orders">\u2013</output>' in made


def test_a_live_value_may_say_something_before_it_is_known() -> None:
    assert ">no records yet</output>" in html("{live:records topic=orders|no records yet}")


def test_a_key_word_names_its_key() -> None:
    assert 'from <span class="key" data-key="acme">acme</span>.' in html("Orders from {key:acme}.")


def test_braces_in_code_stay_as_they_are() -> None:
    assert "<code>{live:lag}</code>" in html("Write `{live:lag}`.")


def test_a_watch_paragraph_turns_the_board() -> None:
    assert (
        '<p class="watch" data-watch="lane:2" id="w-1"><span class="eye" aria-hidden="true"></span>Look.</p>'
        in html(":::watch focus=lane:2\nLook.\n:::")
    )


def test_a_note_and_a_warning_with_bold_openings() -> None:
    text = html(':::note title="How do we know?"\nFrom `Fetch`.\n:::\n\n:::warning\nCareful.\n:::')

    assert (
        '<aside class="note" data-note="note"><p><b>How do we know?</b> From <code>Fetch</code>.</p></aside>'
        in text
    )
    assert '<aside class="note warn" data-note="warning"><p>Careful.</p></aside>' in text


def test_a_code_block_has_plain_marks_and_a_way_into_the_workspace() -> None:
    head = '```python title="producer.py" lines="6-17" open=first/producer.py\n'
    text = html(head + 'import json  # why\nx = "<b>"\n```')

    assert '<span>producer.py</span><span class="dim">lines 6-17</span>' in text
    assert 'data-do="open-work" data-file="first/producer.py"' in text
    assert "<b>import</b> json  <i># why</i>" in text
    assert "<s>&quot;&lt;b&gt;&quot;</s>" in text or '<s>"&lt;b&gt;"</s>' in text


def test_a_fence_inside_a_list_is_code_too() -> None:
    assert "<b>import</b>" in html("- one\n\n    ```python\n    import json\n    ```\n")


def test_a_figure_is_inlined_numbered_and_told_apart_by_its_ids(folder: Path) -> None:
    text = html(":::figure src=assets/box.svg\nA box, *seen* from above.\n:::", folder)

    assert '<title id="f5-1-title">A box</title>' in text
    assert '<use href="#f5-1-w"></use>' in text
    assert "<figcaption><b>Figure 5.1</b> A box, <em>seen</em> from above.</figcaption>" in text


def test_a_prediction_is_a_section_of_its_own_with_a_slot_for_the_answer() -> None:
    page, problems = render(
        '## A\n\nText.\n\n:::predict id=spread title="Predict: the spread" right=b\n'
        "Think.\n\n- [a] Even.\n- [b] Not.\n\n---\nSee.\n:::\n\nAfter."
    )

    assert problems == []
    assert [piece[0] for piece in page.pieces] == ["html", "predict", "html"]
    assert page.pieces[0][1].endswith("</section>")
    assert page.outline[1] == ("predict-spread", "Predict: the spread", "")
    assert "See." not in page.pieces[1][2]
    assert page.asks["predict:spread"]["answer"] == "<p>See.</p>"
    assert 'hx-post="/lessons/first/predict/spread/"' in page.pieces[1][2]


def test_a_question_shows_no_reason_before_it_is_answered() -> None:
    page, problems = render(":::quiz item=where\n:::", items={"where": ITEM})

    assert problems == []
    blank = page.pieces[1][2]
    assert "<code>log</code>" in blank
    assert "Yes." not in blank
    assert "No." not in blank


def test_things_to_put_in_order_are_not_shown_in_order() -> None:
    options = [{"id": name, "text": f"`{name}`"} for name in ("a", "b", "c", "d")]
    item = Item.model_validate({"id": "o", "kind": "order", "prompt": "?", "why": "so", "options": options})
    page, problems = render(":::quiz item=o\n:::", items={"o": item})

    assert problems == []
    shown = re.findall(r"<code>(\w)</code>", page.pieces[1][2])
    assert sorted(shown) == ["a", "b", "c", "d"] != shown


def test_a_program_of_the_text_is_kept_for_the_proof() -> None:
    page, problems = render(
        ':::run id=hello expect="hi \\d" timeout=5 topics="demo:3"\n'
        '```python\nprint("hi 1")\n```\n```text\nhi 1\n```\n:::'
    )

    assert problems == []
    run = page.runs[0]
    assert (run.id, run.expect, run.timeout, run.topics, run.line) == ("hello", "hi \\d", 5.0, {"demo": 3}, 1)
    assert run.code == 'print("hi 1")\n'
    assert 'class="printed"' in page.pieces[0][1]


def test_tabs_work_without_a_script() -> None:
    text = html('::::tabs\n=== "Python"\nOne.\n\n:::note\nIn it.\n:::\n=== "Java"\nTwo.\n::::')

    assert text.count("<details name=") == 2
    assert "<summary>Java</summary><p>Two.</p>" in text


def test_a_link_to_another_lesson_becomes_its_address() -> None:
    page, problems = render("See [it](lesson:other#part), [below](#down).\n\n## Down")

    assert problems == []
    assert 'href="/lessons/other/#part"' in page.pieces[0][1]
    assert page.links == [(1, "other", "part"), (1, "", "down")]


# -- what is refused, and where ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n:::shout\nHa\n:::", "2: no directive 'shout'"),
        (":::note\nHa", "1: :::note is never closed"),
        ("Ha\n\n:::", "3: nothing is open here"),
        ("::::note\nHa\n:::", "3: this does not close :::note of line 1"),
        (":::watch\nHa\n:::", "1: :::watch needs focus="),
        (":::watch focus=moon\nHa\n:::", "1: cannot watch 'moon'"),
        (":::note colour=red\nHa\n:::", "1: :::note has no 'colour'"),
        (":::note title\nHa\n:::", "1: cannot read 'title'"),
        ("```python\nx", "1: the code fence is never closed"),
        ("```cobol\nx\n```", "1: no language 'cobol'"),
        ("```python size=3\nx\n```", "1: a code block has no 'size'"),
        ("One.\n\nTwo {live:moon}.", "3: no live value 'moon'"),
        ("One\nand {live:lag colour=red}.", "2: a live value has no 'colour'"),
        ("Odd {shout:ha}.", "1: no inline 'shout'"),
        ("\n[x](lesson:moon)", "2: the link 'lesson:moon' leads nowhere"),
        ("[x](javascript:alert(1))", "1: the link"),
        ("[x](/etc/passwd)", "1: the link '/etc/passwd' leads nowhere"),
        ("![x](y.png)", "1: an image goes into :::figure"),
        ("# Big", "1: use ## at the left margin"),
        ("## A\n\n## A", "3: the id 'a' is there twice"),
        ("## …", "1: the heading '…' needs an id"),
        (":::note\n## In\n:::", "2: a ## heading cannot stand inside a directive"),
        (":::quiz item=moon\n:::", "1: quiz.yaml has no item 'moon'"),
        (":::lab slug=moon\n:::", "1: there is no lab 'moon'"),
        (":::predict id=a\n- [a] x\n- [b] y\n:::", "1: a prediction is options, a line ---, and the answer"),
        (":::predict id=a right=c\n- [a] x\n- [b] y\n\n---\nz\n:::", "1: right=c is none of the options"),
        (":::predict id=a\n- [a] x\n\n---\nz\n:::", "1: a prediction needs two or more options"),
        (":::run id=x\nwords\n:::", "1: :::run holds one"),
        (":::run id=x topics=a\n```python\nx\n```\n:::", "1: topics='a': write name:partitions"),
        (":::figure src=../../secret.svg\nHa\n:::", "1: '../../secret.svg' is outside"),
        (":::figure src=gone.svg\nHa\n:::", "1: gone.svg: the file is missing"),
    ],
)
def test_a_slip_is_named_with_its_line(text: str, reason: str) -> None:
    assert any(found.startswith(reason) for found in reasons(text)), reasons(text)


def test_a_lab_and_a_question_that_nobody_placed_are_named() -> None:
    found = told(render("Text.", labs={"lab": lab()}, items={"where": ITEM})[1])

    assert any("the lab 'lab' has no :::lab" in reason for reason in found)
    assert any("the item 'where' is nowhere in the text" in reason for reason in found)


# -- hostile text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick=alert(1)>b</b> c",
        "<svg onload=alert(1)></svg>",
        "<iframe src=//evil></iframe>",
        '<a href="javascript:alert(1)">x</a>',
        "<form action=//evil><button>ok</button></form>",
        "<style>*{display:none}</style>",
        '<p style="position:fixed">x</p>',
        "<!-- x --><script>1</script>",
        "> <script>1</script>",
        "- <script>1</script>",
        "`<script>`",
        "{key:<script>alert(1)</script>}",
        "{live:lag topic=x|<img src=x onerror=alert(1)>}",
        "## <img src=x onerror=alert(1)> {#a}",
        ':::note title="<script>1</script>"\nx\n:::',
        ':::term name="<img src=x onerror=alert(1)>"\nx\n:::',
        '```python title="<script>1</script>"\n</code></pre><script>1</script>\n```',
        '<https://ok.example/"onmouseover="alert(1)>',
        '[x](https://ok.example/ "a\\" onmouseover=alert(1) \\"")',
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "| a |\n|---|\n| <script>1</script> |",
    ],
)
def test_no_markup_of_an_authors_own_gets_through(text: str) -> None:
    page, _ = render(text)
    made = "".join(piece[-1] for piece in page.pieces)

    tags = parsed_tags(made)
    assert not tags & {"script", "img", "iframe", "form", "style", "svg"}, made
    assert "button" not in tags
    assert not [name for name in parsed_attributes(made) if name.startswith("on") or name == "style"], made


def parsed_tags(made: str) -> set[str]:
    return {tag for tag, _ in _parse(made)}


def parsed_attributes(made: str) -> list[str]:
    return [name for _, attributes in _parse(made) for name in attributes]


def _parse(made: str) -> list[tuple[str, list[str]]]:
    from html.parser import HTMLParser

    found: list[tuple[str, list[str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, [name for name, _ in attrs]))

    reader = Reader()
    reader.feed(made)
    return found


def test_program_text_is_escaped_in_every_language() -> None:
    for language in ("python", "sh", "json", "yaml", "properties", "text", ""):
        assert "<script" not in mark_up("<script>alert(1)</script>", language)
