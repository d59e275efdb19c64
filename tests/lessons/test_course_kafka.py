"""The course itself: labs and programs without a valid proof are proven, and each day a part of another."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.kafka
@pytest.mark.slow
def test_what_changed_since_its_last_proof_holds_and_so_does_todays_sample() -> None:
    command = [sys.executable, "manage.py", "course_check", "--sample", "--no-ledger"]
    proof = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert proof.returncode == 0, f"{proof.stdout}\n{proof.stderr}"
