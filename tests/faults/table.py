"""The fault matrix: what was injected, what held, and how long it took to be right again (a pytest plugin).

    @pytest.mark.fault("F3", "Redis restarted, empty", holds="I1 I2 I3 I7")
    def test_a_restart_of_redis_...(case: Case) -> None:
        ...                          inject it
        case.cleared()               the fault is over: the clock starts (it also starts with the test)
        ...                          wait until everything is as it should be
        case.converged()             the clock stops; case.took(seconds) where the test measured by itself
        case.holds(*invariants.check())
        case.holds("I5")             what the test proved by its own assertions

A marked test that passes without having proved all it declares fails. `make faults` runs what is marked and
prints one line per fault and injection; results and times are those of that run. Long waits are shortened,
and the line says so; FAULTS=full waits as long as the matrix says.
"""

import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

FULL = os.environ.get("FAULTS") == "full"
_PASSED = pytest.StashKey[bool]()
INVARIANTS = tuple(f"I{number}" for number in range(1, 15))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """How long a fault lasts in this run, and the words for it in the table."""

    full_s: int
    short_s: int

    @property
    def seconds(self) -> int:
        return self.full_s if FULL else self.short_s

    def __str__(self) -> str:
        return f"{self.full_s} s" if FULL else f"{self.short_s} s (FAULTS=full: {self.full_s} s)"


@dataclass(slots=True, kw_only=True)
class Case:
    """One injection of one fault. took_s: from the fault's end until all was right; None while unknown."""

    declared: frozenset[str]
    began: float = field(default_factory=time.monotonic)
    took_s: float | None = None
    proved: set[str] = field(default_factory=set)

    def cleared(self) -> None:
        """The fault is over: from here on the time to converge counts."""
        self.began = time.monotonic()

    def converged(self) -> float:
        """Everything is as it should be again; the seconds that took."""
        self.took_s = time.monotonic() - self.began
        return self.took_s

    def took(self, seconds: float) -> None:
        """As `converged`, where something else has measured."""
        self.took_s = seconds

    def holds(self, *invariants: str) -> None:
        """These were checked just now, and hold."""
        unknown = set(invariants) - set(INVARIANTS)
        assert not unknown, f"There are no invariants called {unknown}."
        self.proved.update(invariants)

    @property
    def unproved(self) -> list[str]:
        return sorted(self.declared - self.proved)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """The line in the table that a marked test fills in."""
    mark = request.node.get_closest_marker("fault")
    assert mark, "Only a test with @pytest.mark.fault has a case."
    case = Case(declared=frozenset(mark.kwargs["holds"].split()))
    yield case
    request.node.user_properties.append(("case", (case.took_s, sorted(case.proved))))
    if case.unproved and request.node.stash.get(_PASSED, False):
        pytest.fail(f"Declared, and not proved: {' '.join(case.unproved)}", pytrace=False)


# -- the table ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Line:
    """All cases of one fault and one injection in a run."""

    fault: str
    injected: str
    cases: dict[str, str] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    proved: set[str] = field(default_factory=set)

    @property
    def result(self) -> str:
        bad = sum(outcome == "failed" for outcome in self.cases.values())
        done = sum(outcome == "passed" for outcome in self.cases.values())
        if bad:
            return f"FAILS in {bad}"
        return "holds" if done == len(self.cases) else "not run" if not done else f"holds in {done}"

    def cells(self) -> tuple[str, ...]:
        time = f"{max(self.took_s):.1f} s" if self.took_s else "-"
        proved = " ".join(sorted(self.proved, key=INVARIANTS.index))
        return self.fault, self.injected, proved, self.result, time, str(len(self.cases))


TITLES = ("fault", "injected", "invariants", "result", "worst time", "cases")


class Table:
    """Collects the reports of a run, also those that come from xdist's workers."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], Line] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        known: dict[str, Any] = dict(report.user_properties)
        if "fault" not in known:
            return
        fault, injected = known["fault"]
        line = self.lines.setdefault((fault, injected), Line(fault, injected))
        before = line.cases.get(report.nodeid, "passed")
        line.cases[report.nodeid] = report.outcome if before == "passed" else before
        if report.when == "teardown" and "case" in known:
            took_s, proved = known["case"]
            line.took_s += [took_s] if took_s is not None else []
            line.proved |= set(proved)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line("")
        for row in self.rows():
            terminalreporter.write_line(row)

    def rows(self) -> list[str]:
        """The table as text, in the matrix's order."""
        lines = sorted(self.lines.values(), key=lambda line: (int(line.fault[1:]), line.injected))
        cells = [TITLES, *(line.cells() for line in lines)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(TITLES))]
        texts = [
            " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells
        ]
        return [texts[0], "-+-".join("-" * width for width in widths), *texts[1:]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", action="store_true", help="print the fault matrix of this run")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(id, injected, holds=...): a case of the fault matrix")
    if config.getoption("--fault-table") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(), "fault-table")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if mark := item.get_closest_marker("fault"):
            item.user_properties.append(("fault", (mark.args[0], str(mark.args[1]))))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report
