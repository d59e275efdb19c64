"""How many cores there are to use, under taskset and in a container that may have less than the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes import cores, placement
from tests.sandboxes.engines import ROOT


def quotas(folder: Path, own: str, **files: str) -> list[int]:
    """files: by path, with two underscores for a slash."""
    for name, text in files.items():
        file = folder / "groups" / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "own").write_text(own)
    return list(cores._quotas(folder / "groups", folder / "own"))


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu_dot_max": "200000 100000\n"}, [2]),
        ("0::/\n", {"cpu_dot_max": "150000 100000\n"}, [2]),
        ("0::/\n", {"cpu_dot_max": "max 100000\n"}, []),
        ("0::/of/us\n", {"of__us__cpu_dot_max": "max 100000\n", "of__cpu_dot_max": "100000 100000\n"}, [1]),
        (
            "3:cpu,cpuacct:/of\n0::/\n",
            {
                "cpu,cpuacct__of__cpu_dot_cfs_quota_us": "300000\n",
                "cpu,cpuacct__of__cpu_dot_cfs_period_us": "100000\n",
            },
            [3],
        ),
        (
            "1:cpu:/\n",
            {"cpu__cpu_dot_cfs_quota_us": "-1\n", "cpu__cpu_dot_cfs_period_us": "100000\n"},
            [],
        ),
        ("5:memory:/of\n", {"memory__of__cpu_dot_max": "100000 100000\n"}, []),
    ],
)
def test_a_quota_is_read_whoever_set_it(
    tmp_path: Path, own: str, files: dict[str, str], expected: list[int]
) -> None:
    assert quotas(tmp_path, own, **files) == expected


def test_where_the_kernel_tells_nothing_there_is_no_quota(tmp_path: Path) -> None:
    assert list(cores._quotas(tmp_path / "groups", tmp_path / "own")) == []


def test_who_is_held_to_one_core_has_one() -> None:
    asked = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from sandboxes.cores import usable_cores; print(usable_cores())"
    )
    said = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "1"


@pytest.mark.parametrize(("there", "expected"), [(1, 1), (2, 2), (3, 2), (4, 3), (16, 15)])
def test_as_many_start_at_once_as_the_cores_allow(there: int, expected: int) -> None:
    assert placement.at_once_on(there) == expected
