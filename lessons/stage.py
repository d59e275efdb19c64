"""Acts on a student's sandbox for a check: faults, and the records that others send meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from lessons.checks import ViewUnavailable, WorkloadRecord
from lessons.labs import Stimulus
from lessons.stimulus import NUMBER_HEADER
from sandboxes import faults, provisioning, services, stagehand
from sandboxes.backends.base import BackendError, Fault
from sandboxes.errors import SandboxError
from sandboxes.models import Sandbox


@dataclass(frozen=True, slots=True)
class SandboxStage:
    """What cannot be done now raises ViewUnavailable, and is tried again next round.

    folder: of the lab's programs; a fault that lasts as long as its task is for them alone.
    """

    sandbox: Sandbox
    folder: str

    def inject(self, stimulus: Stimulus, seconds: float) -> None:
        if stimulus.fault is None:
            return
        fault = Fault(kind=stimulus.fault, node=stimulus.node, ms=stimulus.ms)
        folder = self.folder if stimulus.seconds is None else ""
        try:
            services.inject_fault(self.sandbox, fault, seconds=seconds, actor="check", folder=folder)
        except (SandboxError, BackendError) as error:
            raise ViewUnavailable(str(error)) from error

    def release(self, stimulus: Stimulus) -> None:
        """End what a task held; it is let go first, so that what cannot be taken out now stays out later."""
        if stimulus.fault is None:
            return
        held = faults.active(self.sandbox).filter(kind=stimulus.fault, node=stimulus.node, folder=self.folder)
        found = list(held.select_related("sandbox__cluster"))
        faults.let_go(self.sandbox, stimulus.fault, self.folder)
        for record in found:
            services.undo_fault(record)

    def send(self, records: list[tuple[int, WorkloadRecord]]) -> None:
        try:
            endpoint = provisioning.endpoint(self.sandbox.id)
        except (SandboxError, BackendError) as error:
            raise ViewUnavailable(str(error)) from error
        stagehand.send(endpoint, [outgoing(number, record) for number, record in records])


def outgoing(number: int, record: WorkloadRecord) -> stagehand.OutgoingRecord:
    """A workload record with its number in a header, so that a judge can tell a repeat."""
    headers = (*record.headers, (NUMBER_HEADER, str(number)))
    return stagehand.OutgoingRecord(
        topic=record.topic, key=record.key, value=record.value, headers=headers, partition=record.partition
    )
