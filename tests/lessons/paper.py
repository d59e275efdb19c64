"""A sandbox on paper: a `SandboxView` filled in by hand, with the ways in which real ones fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lessons.checks import (
    FaultView,
    GroupView,
    Horizon,
    Isolation,
    PartitionOffsets,
    PartitionView,
    ProgramView,
    RecordView,
    ScanTooLarge,
    TopicView,
    ViewUnavailable,
)


@dataclass(slots=True)
class PaperView:
    """Says what it was told. log: records per topic, each a list of partitions of values."""

    now: float = 1000.0
    log: Mapping[str, list[list[bytes]]] = field(default_factory=dict)
    groups: Mapping[str, GroupView] = field(default_factory=dict)
    runs: tuple[ProgramView, ...] = ()
    breakdowns: tuple[FaultView, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def topics(self) -> tuple[str, ...]:
        return tuple(sorted(self.log))

    def topic(self, name: str) -> TopicView | None:
        if name not in self.log:
            return None
        parts = (
            PartitionView(partition=p, leader=1, replicas=(1,), isr=(1,)) for p in range(len(self.log[name]))
        )
        return TopicView(name=name, partitions=tuple(parts))

    def offsets(self, name: str) -> tuple[PartitionOffsets, ...]:
        parts = enumerate(self.log.get(name, ()))
        return tuple(PartitionOffsets(partition=p, start=0, end=len(v), stable=len(v)) for p, v in parts)

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        begin = (since or {}).get(name, ())
        return tuple(
            RecordView(topic=name, partition=p, offset=o, timestamp=self.now, key=None, value=value)
            for p, values in enumerate(self.log.get(name, ()))
            for o, value in enumerate(values)
            if o >= (begin[p] if p < len(begin) else 0)
        )

    def group(self, group_id: str) -> GroupView | None:
        return self.groups.get(group_id)

    def programs(self) -> tuple[ProgramView, ...]:
        return self.runs

    def faults(self) -> tuple[FaultView, ...]:
        return self.breakdowns

    def file(self, path: str) -> str | None:
        return self.files.get(path)


class SilentView(PaperView):
    """A sandbox that answers nothing."""

    def topics(self) -> tuple[str, ...]:
        raise ViewUnavailable("silence")

    def offsets(self, name: str) -> tuple[PartitionOffsets, ...]:
        raise ViewUnavailable("silence")

    def records(self, name: str, **_: object) -> tuple[RecordView, ...]:
        raise ViewUnavailable("silence")

    def programs(self) -> tuple[ProgramView, ...]:
        raise ViewUnavailable("silence")


class FloodedView(PaperView):
    """A topic that somebody fills without end."""

    def records(self, name: str, **_: object) -> tuple[RecordView, ...]:
        raise ScanTooLarge.by_count(name, 1_000_000, 100_000)


def run_of(path: str, *, started_at: float = 1000.0, program_id: str = "p1") -> ProgramView:
    """A program that is running."""
    return ProgramView(
        program_id=program_id,
        path=path,
        args=(),
        label="",
        started_at=started_at,
        ended_at=None,
        exit_code=None,
        signal=None,
        reason="",
    )
