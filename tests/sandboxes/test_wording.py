"""What is written down about a sandbox has words wherever it is shown, and nothing else has."""

import re
from pathlib import Path

from sandboxes import selectors, why
from sandboxes.console import fleet, starts, story

ROOT = Path(__file__).resolve().parents[2]


def written_acts() -> set[str]:
    code = [path.read_text() for path in (ROOT / "sandboxes").rglob("*.py")]
    return {name for text in code for name in re.findall(r'SandboxEvent\.act\(\s*\w+, "(\w+)"', text)}


def test_every_act_that_is_written_has_words_for_staff_and_for_its_owner() -> None:
    assert set(story._ACTS) == set(why._ACTS) == written_acts()


def test_every_stage_has_words_wherever_stages_are_told() -> None:
    stages = set(selectors.STAGE_NAMES)

    assert stages == set(why._STAGES) == set(fleet._STAGES)
    assert stages <= set(starts.STEPS)
