"""A meter is believed when it reports what was put in on purpose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """what: the meter; put_in: the delay, loss or use injected; reported: by how much its answer moved.

    within: how far the two may be apart, as a share of what was put in.
    """

    what: str
    put_in: float
    reported: float
    unit: str
    within: float = 0.3

    @property
    def holds(self) -> bool:
        return abs(self.reported - self.put_in) <= self.within * self.put_in

    def line(self) -> str:
        mark = "held  " if self.holds else "FAILED"
        return f"{mark} {self.what}: put in {self.put_in:.4g} {self.unit}, reported {self.reported:.4g}"
