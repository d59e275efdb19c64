"""One lab's folder: read and checked, or refused with every problem in it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lessons.labs import Lab
from lessons.rendering.inline import Prosaist
from lessons.sources import Document, Problems, SourceError, read_text, read_yaml

_PROOFS = ("solutions/", "mistakes/")
_TEXT_SUFFIXES = (".py", ".json", ".txt", ".md", ".yaml", ".csv", ".properties")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFolder:
    """A lab and the texts that make it work. starter: path -> text, as it is put into the workspace.

    digest: changes when anything does that a proof depends on; served: when anything a student meets does.
    """

    path: Path
    lab: Lab
    brief: str
    task_texts: Mapping[str, str]
    checks: str
    workload: str
    starter: Mapping[str, str]
    digest: str
    served: str


class LabReader:
    """One lab's folder; problems that leave it usable go to `problems`, others raise SourceError."""

    def __init__(self, path: Path, number: int, problems: Problems) -> None:
        self._path, self._number, self._problems = path, number, problems

    def read(self) -> LabFolder:
        document = read_yaml(self._path / "lab.yaml")
        lab = document.load(Lab)
        self._check(lab, document)
        checks = read_text(self._path / "checks.py")
        self._check_functions(lab, document, checks)
        starter = _texts(self._path / "starter")
        self._check_programs(lab, document, starter)
        workload = self._path / "workload.py"
        prosaist = Prosaist(complain=self._complain, resolve=_outside_only, claim=lambda anchor, _: anchor)
        return LabFolder(
            path=self._path,
            lab=lab,
            brief=prosaist.block(read_text(self._path / "brief.md")),
            task_texts={task.id: prosaist.block(task.text) for task in lab.tasks if task.text},
            checks=checks,
            workload=read_text(workload) if workload.exists() else "",
            starter=starter,
            digest=folder_digest(self._path),
            served=folder_digest(self._path, leave_out=_PROOFS),
        )

    def _check(self, lab: Lab, document: Document) -> None:
        if lab.slug != self._path.name:
            self._say(document.line(("slug",)), f"slug is {lab.slug!r} but the folder is {self._path.name!r}")
        if not lab.id.startswith(f"{self._number}."):
            self._say(document.line(("id",)), f"id is {lab.id!r} but this is lesson {self._number}")
        uses_workload = any(s.workload for task in lab.tasks for s in task.stimulus)
        if uses_workload != (self._path / "workload.py").exists():
            self._say(1, "workload.py and a stimulus {workload: true} come together")

    def _check_functions(self, lab: Lab, document: Document, source: str) -> None:
        path = self._path / "checks.py"
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            raise SourceError(path, (error.lineno or 1, f"not Python: {error.msg}")) from None
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        for n, task in enumerate(lab.tasks):
            if task.check not in names:
                self._say(document.line(("tasks", n, "check")), f"checks.py has no function {task.check!r}")
        for line, cause in failing_causes(tree):
            if cause not in lab.hints:
                self._problems.add(path, line, f"lab.yaml has no hints for the cause {cause}")
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        unused = lab.hints.keys() - {word for word in words if isinstance(word, str)}
        for cause in sorted(unused):
            self._say(document.line(("hints", cause)), f"checks.py never names the cause {cause}")

    def _check_programs(self, lab: Lab, document: Document, starter: Mapping[str, str]) -> None:
        for n, program in enumerate(lab.programs):
            if program.path not in starter:
                self._say(document.line(("programs", n)), f"starter/ has no {program.path!r}")

    def _say(self, line: int, reason: str) -> None:
        self._problems.add(self._path / "lab.yaml", line, reason)

    def _complain(self, piece: str, reason: str) -> None:
        text = read_text(self._path / "brief.md")
        self._problems.add(self._path / "brief.md", text[: max(0, text.find(piece))].count("\n") + 1, reason)


def failing_causes(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, cause) of each Fail("CAUSE", …) written in a checks.py."""
    return [
        (node.lineno, node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Fail"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]


def looks(source: str) -> list[tuple[int, str]]:
    """(line, anchor) of each look="…" written in a checks.py."""
    words = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.keyword) and node.arg == "look"
    ]
    values = [node.value for node in words if isinstance(node.value, ast.Constant) and node.value.value]
    return [(value.lineno, str(value.value)) for value in values]


def folder_digest(path: Path, *, leave_out: tuple[str, ...] = ()) -> str:
    """Changes when any file of a lab's folder does; caches, hidden files and `leave_out` folders aside."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        name = file.relative_to(path).as_posix()
        if (
            name.startswith(leave_out)
            or "__pycache__" in name
            or any(part.startswith(".") for part in name.split("/"))
        ):
            continue
        total.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _texts(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): read_text(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix in _TEXT_SUFFIXES and "__pycache__" not in file.parts
    }


def _outside_only(target: str) -> str | None:
    return target if target.startswith(("http://", "https://", "#")) else None
