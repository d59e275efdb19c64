"""The oracle: a real `SandboxView` over one sandbox's Kafka, programs, faults and files.

Read-only: it joins no group and commits nothing. Records are read up to the ends that were there when the
look began (`scanning`). Time-outs are short, a broker that is coming back is waited for, and what stays
silent raises ViewUnavailable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal
from uuid import UUID

from confluent_kafka import (
    IsolationLevel,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (
    ClusterMetadata,
    ConfigResource,
    ConfigSource,
    OffsetSpec,
    ResourceType,
)

from sandboxes import groups, provisioning
from sandboxes.backends.base import (
    BackendError,
    FileMissing,
    KafkaEndpoint,
    ProgramRun,
    Workspace,
    WorkspaceError,
)
from sandboxes.brokers import REQUEST_S
from sandboxes.errors import SandboxError
from sandboxes.kafka_calls import ABSENT, admin, is_error, patiently
from sandboxes.models import FaultRecord, Sandbox
from sandboxes.scanning import Scanner
from sandboxes.view import (
    ConfigValue,
    FaultView,
    GroupView,
    Horizon,
    Isolation,
    PartitionOffsets,
    PartitionView,
    ProgramView,
    RecordView,
    TopicView,
    ViewUnavailable,
)


def open_view(sandbox_id: UUID) -> KafkaView:
    """A view of a sandbox of ours; ViewUnavailable when it has no Kafka just now."""
    sandbox = Sandbox.objects.select_related("cluster").filter(pk=sandbox_id).first()
    if sandbox is None:
        raise ViewUnavailable("There is no such sandbox.")
    try:
        return KafkaView(
            endpoint=provisioning.endpoint(sandbox.id),
            workspace=provisioning.workspace(sandbox),
            faults=lambda: recorded_faults(sandbox),
        )
    except (SandboxError, BackendError) as error:
        raise ViewUnavailable(str(error)) from error


def recorded_faults(sandbox: Sandbox) -> tuple[FaultView, ...]:
    """Every fault ever put into a sandbox, oldest first."""
    return tuple(
        FaultView(
            kind=record.kind,
            node=record.node,
            ms=record.ms,
            at=record.injected_at.timestamp(),
            until=record.undone_at.timestamp() if record.undone_at else None,
        )
        for record in FaultRecord.objects.filter(sandbox=sandbox)
    )


class KafkaView:
    """One look at a real sandbox. Made for one round of judging, then thrown away."""

    def __init__(
        self,
        *,
        endpoint: KafkaEndpoint,
        workspace: Workspace,
        faults: Callable[[], tuple[FaultView, ...]],
        now: float | None = None,
    ) -> None:
        self._endpoint, self._workspace, self._faults = endpoint, workspace, faults
        self._now = time.time() if now is None else now
        self._metadata: ClusterMetadata | None = None
        self._known_topics: dict[str, TopicView | None] = {}
        self._known_offsets: dict[str, tuple[PartitionOffsets, ...]] = {}
        self._known_groups: dict[str, GroupView | None] = {}
        self._known_records: dict[tuple[str, tuple[int, ...], str], tuple[RecordView, ...]] = {}
        self._known_programs: tuple[ProgramView, ...] | None = None
        self._known_faults: tuple[FaultView, ...] | None = None
        self._scanner = Scanner(endpoint)

    @property
    def now(self) -> float:
        return self._now

    def topics(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._cluster().topics if not name.startswith("__")))

    def topic(self, name: str) -> TopicView | None:
        if name not in self._known_topics:
            self._known_topics[name] = self._read_topic(name)
        return self._known_topics[name]

    def offsets(self, name: str) -> tuple[PartitionOffsets, ...]:
        if name not in self._known_offsets:
            self.programs()  # what one sent before it ended lies before every end that is read after this
            self._known_offsets[name] = self._read_offsets(name)
        return self._known_offsets[name]

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        offsets = self.offsets(name)
        begins = tuple(_begin(o, (since or {}).get(name, ())) for o in offsets)
        key = (name, begins, isolation)
        if key not in self._known_records:
            self._known_records[key] = self._scan(name, begins, isolation)
        return self._known_records[key]

    def group(self, group_id: str) -> GroupView | None:
        if group_id not in self._known_groups:
            self._known_groups[group_id] = groups.read(self._endpoint, group_id)
        return self._known_groups[group_id]

    def programs(self) -> tuple[ProgramView, ...]:
        if self._known_programs is None:
            self._known_programs = tuple(_program(run) for run in self._ask(self._workspace.programs))
        return self._known_programs

    def faults(self) -> tuple[FaultView, ...]:
        if self._known_faults is None:
            self._known_faults = self._faults()
        return self._known_faults

    def file(self, path: str) -> str | None:
        try:
            return self._workspace.read_file(path).text
        except FileMissing:
            return None
        except WorkspaceError:
            return None  # a link, or too large: for a judge the same as not there
        except BackendError as error:
            raise ViewUnavailable(str(error)) from error

    # -- reads ---------------------------------------------------------------------------------------------

    def _ask(self, call: Callable[[], tuple[ProgramRun, ...]]) -> tuple[ProgramRun, ...]:
        try:
            return call()
        except BackendError as error:
            raise ViewUnavailable(str(error)) from error

    def _cluster(self) -> ClusterMetadata:
        if self._metadata is None:
            # Programs first: a topic that one made before it ended is in every list that is read after this.
            # The other way round it could be made in between, and a judge would see a program that has ended
            # and no topic: a mistake nobody made. A topic of one that still runs may be here or not; a judge
            # waits for that one anyway.
            self.programs()
            self._metadata = patiently(lambda: admin(self._endpoint).list_topics(timeout=REQUEST_S))
        return self._metadata

    def _partitions(self, name: str) -> list[int]:
        found = self._cluster().topics.get(name)
        return [] if found is None or found.error is not None else sorted(found.partitions)

    def _read_topic(self, name: str) -> TopicView | None:
        found = self._cluster().topics.get(name)
        if found is None or found.error is not None:
            return None
        partitions = tuple(
            PartitionView(partition=p.id, leader=p.leader, replicas=tuple(p.replicas), isr=tuple(p.isrs))
            for p in sorted(found.partitions.values(), key=lambda p: p.id)
        )
        return TopicView(name=name, partitions=partitions, configs=self._configs(name))

    def _configs(self, name: str) -> dict[str, ConfigValue]:
        resource = ConfigResource(ResourceType.TOPIC, name)

        def call() -> dict[str, ConfigValue]:
            futures = admin(self._endpoint).describe_configs([resource], request_timeout=REQUEST_S)
            entries = futures[resource].result()
            return {k: ConfigValue(value=e.value or "", source=_source(e.source)) for k, e in entries.items()}

        return patiently(call)

    def _read_offsets(self, name: str) -> tuple[PartitionOffsets, ...]:
        partitions = self._partitions(name)
        if not partitions:
            return ()
        places = [TopicPartition(name, p) for p in partitions]
        wanted = (
            (OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED),
            (OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED),
            (OffsetSpec.latest(), IsolationLevel.READ_COMMITTED),
        )

        def call() -> list[list[int]]:
            client = admin(self._endpoint)
            asked = [
                client.list_offsets(
                    dict.fromkeys(places, spec), isolation_level=level, request_timeout=REQUEST_S
                )
                for spec, level in wanted
            ]
            return [[answer[place].result().offset for place in places] for answer in asked]

        try:
            starts, ends, stables = patiently(call)
        except KafkaException as error:
            if is_error(error, ABSENT):  # deleted since the metadata was read
                return ()
            raise
        return tuple(
            PartitionOffsets(partition=p, start=s, end=e, stable=max(0, t))
            for p, s, e, t in zip(partitions, starts, ends, stables, strict=True)
        )

    def _scan(self, name: str, begins: tuple[int, ...], isolation: Isolation) -> tuple[RecordView, ...]:
        spans = {
            o.partition: (begin, o.end if isolation == "read_uncommitted" else o.stable)
            for o, begin in zip(self.offsets(name), begins, strict=True)
        }
        return self._scanner.scan(name, spans, isolation)


def _begin(offsets: PartitionOffsets, marks: Sequence[int]) -> int:
    """Where to read from; a horizon beyond the end belongs to a topic that was made anew since."""
    mark = marks[offsets.partition] if offsets.partition < len(marks) else 0
    return offsets.start if mark > offsets.end else max(mark, offsets.start)


def _source(source: object) -> Literal["topic", "broker", "default"]:
    if source in (ConfigSource.DYNAMIC_TOPIC_CONFIG.value, ConfigSource.DYNAMIC_TOPIC_CONFIG):
        return "topic"
    return (
        "default" if source in (ConfigSource.DEFAULT_CONFIG.value, ConfigSource.DEFAULT_CONFIG) else "broker"
    )


def _program(run: ProgramRun) -> ProgramView:
    return ProgramView(
        program_id=run.program_id,
        path=run.path,
        args=run.args,
        label=run.label,
        started_at=run.started_at,
        ended_at=run.ended_at,
        exit_code=run.exit_code,
        signal=run.signal,
        reason=run.reason,
    )
