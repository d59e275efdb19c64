"""The lock files: everything pinned and hashed, no address of any registry."""

import json
import re
from pathlib import Path

import pytest

from config import paths
from config.install import jars, maven, python

LIGHTHOUSE = paths.BASE_DIR / "tests" / "bench" / "lighthouse" / "package-lock.json"
LOCKS = [
    *sorted(python.REQUIREMENTS.glob("*.txt")),
    jars.LOCK,
    paths.BASE_DIR / "package-lock.json",
    LIGHTHOUSE,
]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_holds_a_registry_address(lock: Path) -> None:
    text = lock.read_text()
    assert "--index-url" not in text
    assert '"resolved"' not in text


@pytest.mark.parametrize("lock", sorted(python.REQUIREMENTS.glob("*.txt")), ids=lambda lock: lock.name)
def test_every_python_package_is_pinned_with_hashes(lock: Path) -> None:
    blocks = re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE)
    packages = [block for block in blocks if block and not block.startswith("#")]
    assert packages
    assert all("==" in block and "--hash=sha256:" in block for block in packages)


def test_every_jar_has_its_sha256_and_size() -> None:
    locked = maven.read_lock(jars.LOCK)
    assert any(jar.filename == "kafka_2.13-4.3.1.jar" for jar in locked)
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in locked)


def test_all_of_kafka_is_of_one_version() -> None:
    versions = {jar.version for jar in maven.read_lock(jars.LOCK) if jar.group == "org.apache.kafka"}
    assert versions == {"4.3.1"}


@pytest.mark.parametrize("lock", [paths.BASE_DIR / "package-lock.json", LIGHTHOUSE], ids=["site", "bench"])
def test_every_front_end_package_has_its_integrity(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_uv_itself_is_locked() -> None:
    block = python.locked_block("uv", python.REQUIREMENTS / "base.txt")
    assert block.startswith("uv==")
    assert "--hash=sha256:" in block
