"""The parts of a host around sandboxes that have folders, and no processes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from sandboxes.backends.local import ground, records
from sandboxes.backends.local.records import Home
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.settings import Limits
from sandboxes.backends.local.surroundings import Surroundings


def surroundings(sandbox_dir: Path) -> Surroundings:
    settings = SimpleNamespace(sandbox_dir=sandbox_dir)
    return cast(Surroundings, SimpleNamespace(settings=settings, parts=None, limits=Limits(), archive=None))


def sandbox_in(folder: Path) -> LocalSandbox:
    record = records.new_record(sandbox_id="0" * 32, profile="kafka-1", generation=1, number=1)
    home = Home(folder / "home")
    ground.make_home(home, record)
    return LocalSandbox(surroundings(folder), home, record)
