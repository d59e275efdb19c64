"""The page has words for every reason that ends a program, and for no other."""

import re
from pathlib import Path

from sandboxes.backends.base import PROGRAM_REASONS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_words_for_every_reason_and_for_no_other() -> None:
    script = (ROOT / "static" / "js" / "programs.js").read_text()
    table = re.search(r"const REASONS = \{(.*?)\n\};", script, re.DOTALL)

    assert table
    assert set(re.findall(r"(\w+): \"", table.group(1))) == set(PROGRAM_REASONS)


def test_a_backend_gives_no_other_reason() -> None:
    given = set()
    for path in (ROOT / "sandboxes" / "backends" / "local").glob("*.py"):
        given |= set(re.findall(r"""(?:reason=|reason or |end\(child, )"(\w+)\"""", path.read_text()))

    assert {"sandbox_ended", "disk", "memory"} <= given <= set(PROGRAM_REASONS)
