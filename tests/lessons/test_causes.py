"""Every cause that a judge of the course may name has its hints, and every ladder of hints a cause."""

import re
from pathlib import Path

import pytest

from lessons.catalog import read_course
from lessons.lab_folder import LabFolder

COURSE = Path(__file__).parents[2] / "lessons/content"
LABS = [folder for _, folder in read_course(COURSE).labs()]
_CAUSE = re.compile(r'"([A-Z][A-Z_]{5,})"')


@pytest.mark.parametrize("folder", LABS, ids=[folder.lab.id for folder in LABS])
def test_the_causes_in_checks_are_those_with_hints(folder: LabFolder) -> None:
    assert set(_CAUSE.findall(folder.checks)) == set(folder.lab.hints)
