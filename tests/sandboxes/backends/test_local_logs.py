"""A broker's own log: students can make it grow, so it is kept short, and its end is read alone."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.backends.local import ground, kafka
from sandboxes.backends.local.records import Home
from tests.sandboxes.backends.local_host import LocalHost, running_host, wait_until

MIB = 1024 * 1024
WORDS = "\n2026-11-23T13:00:00 ERROR the disk of the broker is full\n"
NODE = kafka.PROFILES["kafka-1"].nodes[0]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.logs.mkdir()
    return made


def long_log(home: Home, *, size: int) -> Path:
    path = home.logs / f"{NODE.name}.log"
    with path.open("wb") as stream:
        stream.truncate(size)
        stream.seek(size)
        stream.write(WORDS.encode())
    return path


def test_the_last_words_of_a_long_log_are_read_without_the_rest(home: Home) -> None:
    long_log(home, size=64 * MIB)
    tracemalloc.start()
    try:
        said = ground.last_words(home, NODE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert said.endswith(WORDS.strip())
    assert peak < MIB


def test_a_log_of_a_usual_length_is_left_alone(home: Home) -> None:
    path = long_log(home, size=MIB)

    ground.cut_logs(home)

    assert path.stat().st_size == MIB + len(WORDS)


def test_a_long_log_is_cut_to_its_end_before_it_is_set_aside(home: Home) -> None:
    path = long_log(home, size=64 * MIB)

    os.close(ground.open_node_log(home, NODE))

    assert path.with_suffix(".log.1").stat().st_size < MIB
    assert path.with_suffix(".log.1").read_text().endswith(WORDS)


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host


@pytest.mark.kafka
def test_the_log_of_a_broker_that_complains_without_end_is_cut_while_it_runs(host: LocalHost) -> None:
    sandbox_id = host.start()
    path = host.sandboxes / sandbox_id / "logs" / f"{NODE.name}.log"
    with path.open("ab") as stream:
        stream.write(bytes(32 * MIB))

    wait_until(lambda: path.stat().st_size < MIB, 60, lambda: f"{path.stat().st_size} bytes long")

    host.destroy(sandbox_id)
