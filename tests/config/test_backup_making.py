"""What backups that were killed leave behind goes with the next one."""

import os
import subprocess
from pathlib import Path

from config.backup import making


def test_the_next_backup_forgets_what_a_dead_one_left_and_leaves_a_living_one_alone(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, other, own = (
        tmp_path / f"{making._SNAPSHOT}{number}-x" for number in (ended.pid, os.getppid(), os.getpid())
    )
    for snapshot in (left, other, own):
        snapshot.touch()

    making._forget_broken_off(tmp_path, f"{making._SNAPSHOT}*", of_the_dead=True)

    assert {path for path in (left, other, own) if path.exists()} == {other, own}
