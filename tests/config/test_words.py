"""One thing has one name: what a student has is their sandbox, on every page and in every sentence."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

# "A cluster" and "the cluster" are Kafka's own word, and an admin's clusters are where sandboxes live.
OTHER_NAME = re.compile(r"\b(?:your|their)\s+(?:own\s+)?cluster\b|why is this cluster alive", re.IGNORECASE)
READ = {
    "templates": ("*.html", "*.txt"),
    "static/js": ("*.js",),
    "platform": ("*.py",),
    "sandboxes": ("*.py",),
}
COURSE = {"lessons": ("*.py", "lesson.md", "quiz.yaml", "course.yaml")}


def read_by_students() -> Iterator[Path]:
    """What a page is made of. A lab's own folder is left out: to change it is to prove it again."""
    for root, patterns in (READ | COURSE).items():
        for pattern in patterns:
            found = Path(settings.BASE_DIR, root).rglob(pattern)
            yield from (path for path in found if "labs" not in path.parts)


def test_what_a_student_has_is_called_a_sandbox_everywhere() -> None:
    wrong = [
        f"{path.relative_to(settings.BASE_DIR)}:{number}: {line.strip()}"
        for path in read_by_students()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if OTHER_NAME.search(line)
    ]
    assert not wrong, "\n".join(wrong)
