"""A course is served whole or refused with every problem in it, each by file, line and reason."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from lessons import lab_folder, rounds, selectors, services
from lessons.catalog import read_course
from lessons.lab_folder import folder_digest
from lessons.models import CourseVersion, LabVersion
from lessons.rendering.inline import Prosaist
from lessons.sources import CourseError
from tests import small_course

LAB, TEXT, QUIZ = "01-first/labs/one", "01-first/lesson.md", "01-first/quiz.yaml"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return small_course.write(tmp_path)


@pytest.fixture
def served(course: Path, settings: object, db: None) -> Path:
    settings.LESSONS_CONTENT = course  # type: ignore[attr-defined]
    selectors.forget_course()
    return course


def edit(course: Path, name: str, old: str, new: str) -> None:
    path = course / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def problems(course: Path) -> list[str]:
    with pytest.raises(CourseError) as caught:
        read_course(course)
    return [str(problem) for problem in caught.value.problems]


def test_a_good_course_is_read_whole(course: Path) -> None:
    read = read_course(course)

    lesson = read.lessons[0]
    assert [entry.slug for part in read.file.parts for entry in part.lessons] == ["first", "second"]
    assert lesson.front.id == "first"
    assert lesson.labs[0].starter == {"main.py": "print('hello')\n"}
    assert lesson.labs[0].brief == "<p>Run the program that is there.</p>"


def test_the_real_course_is_good() -> None:
    """Whatever is committed under lessons/content can be served."""
    content = Path(__file__).resolve().parents[2] / "lessons" / "content"

    assert read_course(content).lessons


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("course.yaml", "slug: second", "slug: First!", "course.yaml:7: parts.0.lessons.1.slug: "),
        ("course.yaml", "number: 2", "number: 1", "course.yaml:7: lesson 1 second is there twice"),
        ("course.yaml", "minutes: 5", "hours: 5", "course.yaml:6: parts.0.lessons.0.minutes is missing"),
        ("course.yaml", "parts:", "parts: [", "course.yaml:"),
        (
            "course.yaml",
            "title: A small course",
            "title: x\ntitle: y",
            "course.yaml:2: not YAML: 'title' is there twice",
        ),
        (TEXT, "number: 1", "number: 7", f"{TEXT}:3: number is 7 here and 1 in course.yaml"),
        (TEXT, "standfirst:", "standfrist:", f"{TEXT}:8: standfrist is not a field we know"),
        (TEXT, "---\nid", "id", f"{TEXT}:1: does not begin with front matter"),
        (TEXT, "It has an offset.", "[x](lesson:moon)", f"{TEXT}:13: the link 'lesson:moon'"),
        (TEXT, "It has an offset.", "[x](#moon)", f"{TEXT}:13: no heading or block has the id"),
        (TEXT, ":::quiz item=where", ":::quiz item=moon", f"{TEXT}:25: quiz.yaml has no item"),
        (TEXT, "minutes: 5", "prerequisites: [moon]\nminutes: 5", "there is no lesson 'moon' yet"),
        (QUIZ, "right: true, ", "", f"{QUIZ}:2: items.0: a choice has exactly one right option"),
        (
            f"{LAB}/lab.yaml",
            "points: 1",
            "points: 3",
            f"{LAB}/lab.yaml:1: the tasks' points add up to 1, not 3",
        ),
        (
            f"{LAB}/lab.yaml",
            "check: run",
            "check: walk",
            f"{LAB}/lab.yaml:15: checks.py has no function 'walk'",
        ),
        (
            f"{LAB}/lab.yaml",
            "slug: one",
            "slug: two",
            f"{LAB}/lab.yaml:2: slug is 'two' but the folder is 'one'",
        ),
        (f"{LAB}/lab.yaml", 'id: "1.1"', 'id: "2.1"', f"{LAB}/lab.yaml:1: id is '2.1' but this is lesson 1"),
        (
            f"{LAB}/lab.yaml",
            "path: main.py",
            "path: gone.py",
            f"{LAB}/lab.yaml:10: starter/ has no 'gone.py'",
        ),
        (
            f"{LAB}/lab.yaml",
            "NOT_RUN:",
            "WALKED:",
            f"{LAB}/checks.py:7: lab.yaml has no hints for the cause NOT_RUN",
        ),
        (
            f"{LAB}/lab.yaml",
            "NOT_RUN:",
            "WALKED:",
            f"{LAB}/lab.yaml:20: checks.py never names the cause WALKED",
        ),
        (f"{LAB}/lab.yaml", '["Has it run?", ', "[", f"{LAB}/lab.yaml:20: hints.NOT_RUN"),
        (
            f"{LAB}/lab.yaml",
            "  text: Run",
            "  stimulus: [{workload: true}]\n  text: Run",
            "workload.py and a stimulus",
        ),
        (f"{LAB}/lab.yaml", "  text: Run", "  stimulus: [{fault: latency}]\n  text: Run", "latency needs ms"),
        (
            f"{LAB}/lab.yaml",
            "  text: Run",
            "  requires: [run]\n  text: Run",
            "task 'run' requires 'run', which is not above",
        ),
        (f"{LAB}/checks.py", "def run(", "def run(:", f"{LAB}/checks.py:6: not Python: invalid syntax"),
        (f"{LAB}/checks.py", 'look="record"', 'look="moon"', f"{LAB}/checks.py:7: look='moon' is no heading"),
    ],
)
def test_a_slip_is_named_by_file_line_and_reason(
    course: Path, file: str, old: str, new: str, problem: str
) -> None:
    edit(course, file, old, new)

    found = problems(course)

    assert any(problem in line for line in found), found


def test_all_problems_are_listed_at_once(course: Path) -> None:
    edit(course, "01-first/lesson.md", "It has an offset.", ":::shout\nHa\n:::")
    edit(course, f"{LAB}/lab.yaml", "points: 1", "points: 3")
    edit(course, "01-first/quiz.yaml", "right: true, ", "")

    files = {line.split(":")[0] for line in problems(course)}

    assert files == {"01-first/lesson.md", "01-first/quiz.yaml", f"{LAB}/lab.yaml"}


def test_a_folder_that_the_course_does_not_name_is_refused(course: Path) -> None:
    (course / "09-lost").mkdir()
    (course / "09-lost/lesson.md").write_text("---\n---\n")

    assert problems(course) == [
        "09-lost/lesson.md:1: course.yaml has no lesson for this folder (<NN>-<slug>)"
    ]


def test_bytes_that_are_no_text_are_refused_with_their_line(course: Path) -> None:
    (course / "01-first/labs/one/brief.md").write_bytes(b"fine\n\xff\xfe")

    assert f"{LAB}/brief.md:2: not UTF-8 text" in problems(course)


def test_the_hash_of_a_lab_changes_with_its_content_and_not_with_caches(course: Path) -> None:
    before = folder_digest(course / LAB)

    (course / LAB / "__pycache__").mkdir()
    (course / LAB / "__pycache__/checks.pyc").write_bytes(b"x")
    assert folder_digest(course / LAB) == before
    edit(course, f"{LAB}/brief.md", "Run", "Start")
    assert folder_digest(course / LAB) != before


# -- loading -----------------------------------------------------------------------------------------------


def test_loading_makes_the_course_current(served: Path) -> None:
    call_command("load_course", verbosity=0)

    course = selectors.current_course()
    assert course is not None
    assert list(course.pages) == ["first"]
    assert course.labs["first"][0].lab.id == "1.1"


def test_loading_the_same_course_again_adds_nothing(served: Path) -> None:
    services.load_course()
    services.load_course()

    assert (CourseVersion.objects.count(), LabVersion.objects.count()) == (1, 1)


def test_a_malformed_course_stops_the_load_and_the_last_good_one_is_served(
    served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = services.load_course()
    edit(served, "01-first/lesson.md", "It has an offset.", ":::shout\nHa\n:::")

    with pytest.raises(CommandError, match="stays as it was"):
        call_command("load_course")

    assert "01-first/lesson.md:13: no directive 'shout'" in capsys.readouterr().err
    assert CourseVersion.objects.get(current=True) == good


def test_a_new_course_replaces_the_old_one_at_once(served: Path) -> None:
    services.load_course()
    edit(served, "01-first/lesson.md", "It has an offset.", "It has a place.")
    services.load_course()
    selectors.forget_course()

    course = selectors.current_course()

    assert course is not None
    assert "It has a place." in course.pages["first"].pieces[0][1]
    assert CourseVersion.objects.filter(current=True).count() == 1


def test_old_versions_of_the_course_are_thinned_out_and_their_labs_stay(served: Path) -> None:
    for n in range(8):
        (served / "01-first/lesson.md").write_text(
            (served / "01-first/lesson.md").read_text() + f"\n\nMore {n}.\n"
        )
        services.load_course()

    assert CourseVersion.objects.count() == 6
    assert LabVersion.objects.count() == 1


# -- after an upgrade --------------------------------------------------------------------------------------


def test_a_lab_stored_by_a_version_that_knew_other_fields_is_served_and_judged(served: Path) -> None:
    services.load_course()
    version = LabVersion.objects.get()
    for place in (version.spec, version.spec["owns"], version.spec["tasks"][0]):
        place["retired"] = 1
    version.save()
    selectors.forget_course()

    course = selectors.current_course()

    assert course is not None
    assert course.labs["first"][0].lab.id == "1.1"
    assert set(rounds.code_of(version.digest).judges) == {"run"}


class _Mended(Prosaist):
    """Renders otherwise than the version that stored the course."""

    def block(self, text: str) -> str:
        return f"<div>{super().block(text)}</div>"


def test_texts_of_an_unchanged_lab_are_stored_as_the_present_version_renders_them(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.load_course()
    before = LabVersion.objects.get()
    monkeypatch.setattr(lab_folder, "Prosaist", _Mended)

    services.load_course()

    now = LabVersion.objects.get()
    assert (now.pk, now.brief) == (before.pk, f"<div>{before.brief}</div>")
    monkeypatch.undo()
    services.load_course()
    assert LabVersion.objects.get().brief == before.brief
