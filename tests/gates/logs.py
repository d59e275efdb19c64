"""A test fails when a WARNING or an ERROR is logged that it did not declare (a pytest plugin).

    @pytest.mark.logs("sandbox.backend_refused", "doorbell.lost")

declares lines by regular expressions, each looked for in the whole line. It holds for every logger of the
test's own process, and for the log files of processes that the test started, once they are `watched`:

    with logs.watched(directory_of_log_files): ...

A declared line may appear; whether it must is for the test's own assertions to say.
"""

import contextlib
import gc
import logging
import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

# Lines that may appear in any log of a process we start, and why each says nothing about our site.
HARMLESS = {
    r"# WARNING Memory overcommit must be enabled": "Valkey saves nothing to disk here, so it never forks",
    r"# WARNING.*Transparent Huge Pages": "the same",
}

_LEVEL = "(WARNING|ERROR|CRITICAL)"
# Where a level stands in a line of ours, in JSON, in one of Celery's, of Valkey's; and Python's own warnings.
_ALARMING = re.compile(
    rf'^\S+ {_LEVEL}\b|"level": ?"{_LEVEL}"|^\[[^]]*: {_LEVEL}/|^\S+ .{{,40}}# WARN|\w+Warning: '
)
_CRASH = "Traceback (most recent call last)"
# An entry begins with a date, a brace (JSON) or Valkey's process number; lines without one belong to it.
_BEGINS = re.compile(r"^(\[?\d{4}-\d\d-\d\d|\{|\d+:[MXCS] )")
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Gate(logging.Handler):
    """Collects what is logged, here and in watched files, until a test's end asks for it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []
        self._watched: list[Path] = []
        self._read: dict[Path, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        fields = " ".join(f"{key}={value!s}" for key, value in vars(record).items() if key not in _PLAIN)
        line = f"{record.levelname} {record.name} {record.getMessage()} {fields}".rstrip()
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self._lines.append(f"{line}\n{trace}".rstrip())

    def watch(self, path: Path) -> None:
        """From now on also what is written to this file, or to the log files in this folder."""
        self._watched.append(path)
        self._read |= {file: file.stat().st_size for file in _files(path) if file.exists()}

    def forget(self, path: Path) -> None:
        """Read what is left there, and look no more."""
        self._look()
        self._watched.remove(path)

    def take(self) -> list[str]:
        """Everything alarming since the last time."""
        self._look()
        lines, self._lines = self._lines, []
        return lines

    def _look(self) -> None:
        for file in dict.fromkeys(file for path in self._watched for file in _files(path)):
            self._lines += alarms(self._new_text(file))

    def _new_text(self, file: Path) -> str:
        """What was added to a file since the last look, up to its last whole line."""
        with contextlib.suppress(FileNotFoundError), file.open("rb") as log:
            log.seek(self._read.get(file, 0))
            text, _, _ = log.read().rpartition(b"\n")
            self._read[file] = self._read.get(file, 0) + len(text) + bool(text)
            return text.decode(errors="replace")
        return ""


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.log")) if path.is_dir() else [path]


def alarms(text: str) -> list[str]:
    """The entries of a log that are warnings, errors or crashes."""
    entries: list[str] = []
    for line in text.splitlines():
        if entries and not _BEGINS.match(line):
            entries[-1] += f"\n{line}"
        else:
            entries.append(line)
    return [entry for entry in entries if _alarming(entry)]


def _alarming(entry: str) -> bool:
    if not _ALARMING.search(entry.partition("\n")[0]) and _CRASH not in entry:
        return False
    return not any(re.search(pattern, entry) for pattern in HARMLESS)


_gate = Gate()


@contextlib.contextmanager
def watched(path: Path) -> Iterator[None]:
    """While this lasts, alarming lines in this file (or in the *.log files of this folder) fail tests."""
    _gate.watch(path)
    try:
        yield
    finally:
        _gate.forget(path)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "logs(*patterns): WARNING and ERROR lines that this test expects")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    # Django's set-up takes every handler from the root logger, so it is given again each time.
    logging.getLogger().addHandler(_gate)
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    try:
        yield
    except BaseException:
        _gate.take()  # It failed for a reason of its own; pytest shows its log.
        raise
    _judge(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    yield
    if nextitem is None:
        gc.collect()  # asyncio says that a task was left behind only when it is thrown away.
    _judge(item)


def _judge(item: pytest.Item) -> None:
    declared = [pattern for mark in item.iter_markers("logs") for pattern in mark.args]
    if unexpected := undeclared(_gate.take(), declared):
        pytest.fail("Logged, and not declared:\n" + "\n".join(unexpected), pytrace=False)


def undeclared(lines: Iterable[str], declared: Iterable[str]) -> list[str]:
    """The lines in which none of the declared patterns is found."""
    patterns = [re.compile(pattern) for pattern in declared]
    return [line for line in lines if not any(pattern.search(line) for pattern in patterns)]
