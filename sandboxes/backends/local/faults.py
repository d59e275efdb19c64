"""What is broken on purpose in one sandbox: which faults are in force, and what they mean for its brokers."""

from __future__ import annotations

import signal
from collections.abc import Callable

from sandboxes.backends.base import Fault
from sandboxes.backends.local.doors import Doors
from sandboxes.backends.local.records import HeldFault, Record
from sandboxes.backends.local.relay import Mode

# Faults that keep a broker down, and the signal each begins with.
ENDINGS = {"broker_stop": signal.SIGTERM, "broker_kill": signal.SIGKILL}


class Faults:
    """They stand in the record, so that a new host finds them. save: writes the record to disk."""

    def __init__(self, record: Record, doors: Doors, save: Callable[[], None]) -> None:
        self._record, self._doors, self._save = record, doors, save

    def hold(self, fault: Fault) -> bool:
        """Put it in force; False when just this one was."""
        held = HeldFault(kind=fault.kind, node=fault.node, ms=fault.ms)
        if held in self._record.faults:
            return False
        self._change([*self._without(fault), held], fault.node)
        return True

    def lift(self, fault: Fault) -> bool:
        """Put it out of force; False when it was not in."""
        left = self._without(fault)
        was_in = len(left) < len(self._record.faults)
        self._change(left, fault.node)
        return was_in

    def down(self) -> set[int]:
        """The nodes that are to stay down."""
        return {fault.node for fault in self._record.faults if fault.kind in ENDINGS}

    def set_mode(self, node: int) -> None:
        """Have the doors of a broker do to its clients what the faults say."""
        kinds = {fault.kind: fault for fault in self._record.faults if fault.node == node}
        latency = kinds.get("latency")
        mode = Mode(
            latency_ms=latency.ms if latency else 0,
            cut="cut" in kinds,
            drop_responses="drop_responses" in kinds,
        )
        self._doors.set_mode(node, mode)

    def _change(self, faults: list[HeldFault], node: int) -> None:
        self._record.faults = faults
        self._save()
        self.set_mode(node)

    def _without(self, fault: Fault) -> list[HeldFault]:
        """All but those of its kind at its node, whatever their strength."""
        return [held for held in self._record.faults if (held.kind, held.node) != (fault.kind, fault.node)]
