"""What must hold of the texts of a lab: they give nothing away, and every mistake has its hints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lessons import grading
from lessons.lab_folder import LabFolder
from lessons.proving.folders import files_of, mistake_of, mistakes, solutions


def leak(folder: LabFolder) -> str:
    """A line of a solution that the brief, a task's text or one of the first two hints gives away."""
    told = [folder.brief, *folder.task_texts.values()]
    told += [step for ladder in folder.lab.hints.values() for step in ladder[:2]]
    text = _squeezed(" ".join(told))
    for path in solutions(folder):
        for line in secret_lines(folder, path):
            if _squeezed(line) in text:
                return f"{path.name} has the line `{line}`, and the brief or a hint 1-2 says it"
    return ""


def secret_lines(folder: LabFolder, solution: Path) -> Iterator[str]:
    """Lines of a solution worth hiding: not in the starter, not trivial."""
    given = {_squeezed(line) for text in folder.starter.values() for line in text.splitlines()}
    for name, text in files_of(solution).items():
        if not name.endswith(".py"):
            continue
        for line in text.splitlines():
            code = line.split("#")[0].strip()
            if len(_squeezed(code)) >= 16 and not _TRIVIAL.match(code) and _squeezed(code) not in given:
                yield code


_TRIVIAL = re.compile(
    r"^(import |from |def |class |return$|else:|try:|except|finally:|if __name__|\"\"\"|print\()"
)


def _squeezed(text: str) -> str:
    """Without markup, entities and spaces, so that formatting hides nothing."""
    plain = re.sub(r"<[^>]+>", "", text)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&"), ("&#39;", "'")):
        plain = plain.replace(entity, character)
    return re.sub(r"[\s`]+", "", plain)


def ladders(folder: LabFolder) -> str:
    """Every mistake names a task and a cause of this lab, and the cause has its hints."""
    if not solutions(folder):
        return "there is no solution"
    for path in mistakes(folder):
        mistake = mistake_of(path)
        if mistake.task not in {task.id for task in folder.lab.tasks}:
            return f"{path.name}: there is no task {mistake.task!r}"
        if len(grading.ladder_of(folder.lab, mistake.cause)) != 3:
            return f"{path.name}: no hints for {mistake.cause}"
    return ""
