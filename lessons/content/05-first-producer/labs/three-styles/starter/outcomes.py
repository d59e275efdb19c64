"""What became of each record, by its number. Given: there is nothing to change here."""

import json
from pathlib import Path


class Outcomes:
    """A line for every record: [partition, offset], or [-1, error code], or nothing yet."""

    def __init__(self, count: int) -> None:
        self.lines: list[list[int] | None] = [None] * count

    def note(self, number: int, error, record) -> None:
        """What the receipt of record `number` said."""
        self.lines[number] = [-1, error.code()] if error else [record.partition(), record.offset()]

    def summary(self) -> dict[str, int]:
        known = [line for line in self.lines if line]
        delivered = sum(line[0] >= 0 for line in known)
        return {
            "delivered": delivered,
            "failed": len(known) - delivered,
            "unreported": len(self.lines) - len(known),
        }

    def save(self, path: str, run: str) -> None:
        text = json.dumps({"run": run, "outcomes": self.lines}, separators=(",", ":"))
        Path(path).write_text(text)
