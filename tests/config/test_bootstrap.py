"""The very first step, in a fresh clone, with only Python on the machine."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import paths

BOOTSTRAP = paths.BASE_DIR / "deploy" / "bootstrap.py"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What bootstrap needs of the tree, as a checkout of its own without an environment or data."""
    place = tmp_path / "millrace"
    for part in ("deploy", "requirements", "platform/config"):
        shutil.copytree(paths.BASE_DIR / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.BASE_DIR / "manage.py", place)
    return place


def bootstrap(
    clone: Path, *words: str, as_root: bool = False, **env: str
) -> "subprocess.CompletedProcess[str]":
    """Run it under an empty home with nothing but a PATH, plus what the test sets."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(clone.parent), **env}
    argv = [sys.executable, str(clone / "deploy" / "bootstrap.py"), *words]
    if as_root and os.geteuid() != 0:
        argv = ["unshare", "--user", "--map-root-user", *argv]
    return subprocess.run(argv, cwd="/", env=bare, capture_output=True, text=True, timeout=120)


def test_an_old_python_can_read_the_first_file() -> None:
    ast.parse(BOOTSTRAP.read_text(), feature_version=(3, 6))


def test_without_a_network_it_says_so_in_one_sentence(clone: Path) -> None:
    nowhere = "http://127.0.0.1:9/simple"
    told = bootstrap(clone, "base", PIP_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere, PIP_NO_CACHE_DIR="1")
    assert told.returncode == 1
    sentence, next_step = told.stderr.strip().splitlines()
    assert sentence == "The Python package index could not be reached."
    assert next_step.startswith("Check the network and the proxy or mirror settings of your client")
    assert next_step.endswith(f"words are in {clone / 'var' / 'log' / 'setup.log'}.")
    assert not (clone.parent / ".cache").exists(), "the home folder is left alone"
    assert "Traceback" not in told.stdout


def test_a_port_in_use_is_told_before_anything_is_installed(clone: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        told = bootstrap(clone, "up", PORT=str(port))
    assert told.returncode == 1
    assert told.stderr.strip().startswith(f"Port {port} is in use by another program.")
    assert not (clone / ".venv").exists()


def test_a_setting_that_cannot_be_read_is_named(clone: Path) -> None:
    told = bootstrap(clone, "up", PORT="eight")
    assert told.returncode == 1
    assert told.stderr.strip() == "PORT is 'eight'. Set it to a whole number from 1 to 65535."


def test_root_is_told_about_a_checkout_that_sandboxes_could_not_read(clone: Path) -> None:
    (clone / "manage.py").chmod(0o600)
    told = bootstrap(clone, "base", as_root=True)
    assert told.returncode == 1
    assert f"chmod -R o+rX {clone}" in told.stderr
    assert not (clone / ".venv").exists()


def test_an_unknown_goal_lists_what_there_is(clone: Path) -> None:
    told = bootstrap(clone, "sideways")
    assert told.returncode == 2
    assert "up, base or dev" in told.stderr
