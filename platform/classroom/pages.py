"""The page of one student as parts: the head, each lab, the questions, the sandbox."""

from classroom.pushed import Fragment
from classroom.room import stamp_of
from classroom.student import StudentPage


def student_parts(page: StudentPage) -> list[Fragment]:
    """Its parts from top to bottom, each with a stamp of what it shows but not of the time."""
    return [
        Fragment(
            id="who", template="classroom/who.html", stamp=stamp_of((page.row, page.points)), shown=page
        ),
        *(
            Fragment(id=lab.anchor, template="classroom/lab.html", stamp=lab.stamp, shown=lab, into="labs")
            for lab in page.labs
        ),
        Fragment(
            id="asked", template="classroom/asked.html", stamp=stamp_of(page.answers), shown=page.answers
        ),
        Fragment(id="box", template="classroom/box.html", stamp=_box_stamp(page), shown=page),
    ]


def _box_stamp(page: StudentPage) -> str:
    """Of the sandbox: everything that is said of it, how long ago included, because sentences say it."""
    if page.story is None:
        return "none"
    story = page.story
    faults = [(fault.pk, fault.undone_at) for fault in story.faults]
    said = (story.sentence, story.used_for, story.sleeps, story.held, page.may_hold, story.start)
    return stamp_of((story.sandbox.pk, said, page.moments, faults))
