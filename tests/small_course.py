"""A course small enough to see whole: a lesson with a question, a prediction and a lab, and one to come."""

import tempfile
from functools import cache
from pathlib import Path

from lessons.catalog import Course, read_course
from lessons.publishing import publish
from lessons.selectors import forget_course

COURSE = """\
title: A small course
parts:
- id: a
  title: Beginnings
  lessons:
  - {number: 1, slug: first, title: The first lesson, minutes: 5, summary: "One topic, one record."}
  - {number: 2, slug: second, title: The second lesson, minutes: 5, summary: "Not written yet."}
"""

LESSON = """\
---
id: first
number: 1
title: The first lesson
part: a
minutes: 5
lab_minutes: 5
standfirst: One record and where it goes.
---

## A record {#record}

It has an offset.

:::predict id=guess title="What is its offset?" right=a
Write it down.

- [a] Nought.
- [b] One.

---
Offsets begin at nought.
:::

:::quiz item=where
:::

:::lab slug=one
:::
"""

QUIZ = """\
items:
- id: where
  kind: choice
  prompt: "Where is a record?"
  options:
  - {id: log, text: "In a log.", right: true, why: "And nowhere else."}
  - {id: sky, text: "In the sky.", why: "It is in a log."}
"""

LAB = """\
id: "1.1"
slug: one
title: Write a program
minutes: 5
points: 1
profile: kafka-1
owns: {topics: [], groups: [], files: true}
seed: per_attempt
programs:
- {path: main.py, label: main.py}
tasks:
- id: run
  title: Run it
  points: 1
  check: run
  text: Run `main.py`.
  waiting: Run main.py to begin.
  done: It ran.
hints:
  NOT_RUN: ["Has it run?", "Press Run.", "Open main.py and press Run."]
"""

CHECKS = '''\
"""Has main.py run?"""

from lessons.checks import AttemptFacts, Fail, SandboxView, Verdict


def run(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    return Fail("NOT_RUN", "main.py has not run.", look="record")
'''


def write(folder: Path) -> Path:
    """Write the course into an empty folder and return it."""
    texts = {
        "course.yaml": COURSE,
        "01-first/lesson.md": LESSON,
        "01-first/quiz.yaml": QUIZ,
        "01-first/labs/one/lab.yaml": LAB,
        "01-first/labs/one/brief.md": "Run the program that is there.\n",
        "01-first/labs/one/checks.py": CHECKS,
        "01-first/labs/one/starter/main.py": "print('hello')\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@cache
def read() -> Course:
    """The course, read and rendered once per process."""
    with tempfile.TemporaryDirectory() as folder:
        return read_course(write(Path(folder)))


def serve() -> None:
    """Make it the course that is served, in this test's database."""
    publish(read())
    forget_course()
