"""What a gate found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one gate on one thing. why: "" when it held."""

    gate: str
    subject: str
    why: str = ""
    took_s: float = 0.0

    @property
    def held(self) -> bool:
        return not self.why
