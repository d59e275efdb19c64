"""Reading the course's files so that every complaint can say `file:line: reason`.

Nothing here knows what the files mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing wrong in the course. file: relative to the course's folder; line: from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class CourseError(Exception):
    """A course that cannot be served; carries every problem found, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(slots=True)
class Problems:
    """Collects problems while reading goes on, so that an author sees them all at once."""

    root: Path
    found: list[Problem] = field(default_factory=list)

    def add(self, path: Path, line: int, reason: str) -> None:
        self.found.append(Problem(file=self.name(path), line=max(1, line), reason=reason))

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name

    @contextmanager
    def stop_here(self) -> Iterator[None]:
        """Swallow a SourceError raised inside and keep its problems."""
        try:
            yield
        except SourceError as error:
            for line, reason in error.found:
                self.add(error.path, line, reason)


class SourceError(Exception):
    """One file cannot be used; `found` lists (line, reason)."""

    def __init__(self, path: Path, *found: tuple[int, str]) -> None:
        self.path, self.found = path, found
        super().__init__(f"{path}: {found}")


def read_text(path: Path) -> str:
    """The file's text, or SourceError when it is missing or no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SourceError(path, (1, "the file is missing")) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SourceError(path, (line, "not UTF-8 text")) from None


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document and the line of each of its values."""

    path: Path
    data: object
    lines: Mapping[Where, int]

    def line(self, where: Where) -> int:
        """The line of a value, or of the nearest thing around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def load(self, model: type[Model]) -> Model:
        """The document as `model`; SourceError with one entry per field that does not fit."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            found = [(self.line(tuple(e["loc"])), _reason(tuple(e["loc"]), e["msg"])) for e in error.errors()]
            raise SourceError(self.path, *found) from None


def read_yaml(path: Path) -> Document:
    return parse_yaml(path, read_text(path))


def parse_yaml(path: Path, text: str, *, first_line: int = 1) -> Document:
    """Parse YAML text that begins at `first_line` of `path`."""
    lines: dict[Where, int] = {}
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            _note_lines(node, (), lines, first_line)
        data = loader.construct_document(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = (mark.line if mark else 0) + first_line
        raise SourceError(path, (line, f"not YAML: {error.problem or error.context}")) from None
    except (yaml.YAMLError, ValueError) as error:
        raise SourceError(path, (first_line, f"not YAML: {error}")) from None
    finally:
        loader.dispose()
    return Document(path, data, lines)


def _note_lines(node: yaml.Node, where: Where, lines: dict[Where, int], first: int) -> None:
    lines[where] = node.start_mark.line + first
    if isinstance(node, yaml.MappingNode):
        _refuse_doubles(node)
        for key, value in node.value:
            _note_lines(value, (*where, str(key.value)), lines, first)
            lines[(*where, str(key.value))] = key.start_mark.line + first
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(value, (*where, index), lines, first)


def _refuse_doubles(node: yaml.MappingNode) -> None:
    """YAML lets the second of two equal keys win in silence; an author never means that."""
    seen: set[object] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.MarkedYAMLError(problem=f"{key.value!r} is there twice", problem_mark=key.start_mark)
        seen.add(key.value)


def _reason(where: Where, message: str) -> str:
    name = ".".join(str(part) for part in where)
    plain = {
        "Field required": "is missing",
        "Extra inputs are not permitted": "is not a field we know",
    }.get(message, message.removeprefix("Value error, "))
    if not name:
        return plain
    return f"{name} {plain}" if plain.startswith("is ") else f"{name}: {plain}"
