"""Runs are kept below var/bench, one file each, so that one can be held against the one before."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandboxes.cores import usable_cores
from tests.bench.figures import Figure

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "bench"


def write(figures: Sequence[Figure], *, quick: bool, took_s: float) -> Path:
    """Keep a run with what it ran on."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = FOLDER / f"{now:%Y-%m-%dT%H-%M-%S}.json"
    kept = {
        "at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": usable_cores(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "quick": quick,
        "took_s": round(took_s),
        "figures": [figure.fields() for figure in figures],
    }
    path.write_text(json.dumps(kept, indent=1))
    return path


def before() -> dict[str, float]:
    """Each bench's value in the last run that measured it; quick ones do not count."""
    found: dict[str, float] = {}
    for path in sorted(FOLDER.glob("*.json")):
        run: dict[str, Any] = json.loads(path.read_text())
        if not run["quick"]:
            found |= {one["bench"]: one["value"] for one in run["figures"] if one["value"] is not None}
    return found


def _commit() -> str:
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip()
