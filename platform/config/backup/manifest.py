"""What an archive says of itself, as its last entry: who made it, of what, and what every file must be."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from config import paths

FORMAT = 1
DATABASE = "millrace.sqlite3"
SECRET = "secret.key"  # noqa: S105 - a file's name
SANDBOXES = "sandboxes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """made_at: ISO 8601, UTC; version: of the site that made it; migrations: app -> those that were applied.

    as_root:   files belong to a user per sandbox, which only root can give back.
    sandboxes: ids of those that are whole in the archive; left_out: id -> why it is not there.
    files:     name -> SHA-256 of its content, for regular files.
    """

    made_at: str
    version: str
    as_root: bool
    migrations: Mapping[str, list[str]]
    sandboxes: list[str]
    left_out: Mapping[str, str]
    files: Mapping[str, str]
    format: int = field(default=FORMAT)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest":
        """Raises ValueError or TypeError when it is none of ours."""
        return cls(**json.loads(text))


def site_version() -> str:
    """The first numbered heading of the changelog."""
    found = re.search(r"^## (\d+\.\d+\.\d+)", (paths.BASE_DIR / "CHANGELOG.md").read_text(), re.MULTILINE)
    return found[1] if found else "unknown"
