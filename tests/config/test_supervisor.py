"""The supervisor against real processes: scripts that note when they start and are asked to stop."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config import paths, sitelock
from config.child import Child, Program

SITE = Path(__file__).with_name("site_of_scripts.py")
ENV = {**os.environ, "PYTHONPATH": f"{paths.BASE_DIR}{os.pathsep}{paths.BASE_DIR / 'platform'}"}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a site of scripts in tmp_path; whatever is left of it at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> "subprocess.Popen[str]":
        argv = [sys.executable, str(SITE), str(tmp_path), *words]
        process = subprocess.Popen(argv, env=ENV, stdout=subprocess.PIPE, text=True)
        started.append(process)
        wait_for_line(process, "ready")
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def wait_for_line(process: "subprocess.Popen[str]", wanted: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if line.startswith(wanted):
            return
    raise AssertionError(f"ended without saying {wanted!r}")


def pid_of(folder: Path, name: str) -> int:
    return int((folder / f"{name}.pid").read_text())


def alive(pid: int) -> bool:
    """Running, and not a zombie that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # also when it ends while it is read
        return False


def until(true: Callable[[], bool], *, within_s: float = 10) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return true()


def test_programs_start_in_order_and_stop_in_the_reverse_order(start: Start, tmp_path: Path) -> None:
    site = start()
    site.send_signal(signal.SIGINT)
    assert site.wait(10) == 0
    noted = (tmp_path / "order").read_text().split("\n")[:-1]
    assert noted == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


def test_a_crashed_program_is_started_again(start: Start, tmp_path: Path) -> None:
    start()
    first = pid_of(tmp_path, "b")
    os.kill(first, signal.SIGKILL)
    assert until(lambda: pid_of(tmp_path, "b") != first)


def test_a_program_that_cannot_be_started_is_tried_again(start: Start, tmp_path: Path) -> None:
    site = start()
    first = pid_of(tmp_path, "b")
    (tmp_path / "home").rename(tmp_path / "away")
    os.kill(first, signal.SIGKILL)
    wait_for_line(site, "said b cannot be started now")
    (tmp_path / "away").rename(tmp_path / "home")

    assert until(lambda: pid_of(tmp_path, "b") != first, within_s=30)


async def test_a_program_runs_to_its_end_when_its_log_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "noisy.log").symlink_to("/dev/full")
    argv = (
        sys.executable,
        "-c",
        "print('x' * 99 + chr(10), end='', flush=True)\nprint(('y' * 99 + chr(10)) * 5000)",
    )
    child = Child(Program(name="noisy", argv=argv), tmp_path, print)

    await child.start()

    assert await asyncio.wait_for(child.wait(), 60) == 0


def test_a_killed_supervisor_takes_every_program_along(start: Start, tmp_path: Path) -> None:
    site = start()
    pids = [pid_of(tmp_path, name) for name in "abc"]
    site.kill()
    assert until(lambda: not any(alive(pid) for pid in pids), within_s=5)


def test_the_site_lock_is_let_go_when_the_supervisor_is_killed(start: Start, tmp_path: Path) -> None:
    site = start()
    lock = tmp_path / "site.lock"
    assert sitelock.held(lock)
    site.kill()
    assert until(lambda: not sitelock.held(lock), within_s=5)


def test_a_second_ctrl_c_ends_a_program_that_will_not_stop(start: Start, tmp_path: Path) -> None:
    site = start("--stubborn")
    site.send_signal(signal.SIGINT)
    assert until(lambda: "stop c" in (tmp_path / "order").read_text())
    assert site.poll() is None
    site.send_signal(signal.SIGINT)
    assert site.wait(10) == 0
    assert not alive(pid_of(tmp_path, "c"))


def test_a_second_site_on_the_same_data_is_told_who_runs(start: Start, tmp_path: Path) -> None:
    site = start()
    with pytest.raises(sitelock.SiteRunning, match=f"test \\(process {site.pid}\\)"):
        sitelock.SiteLock(tmp_path / "site.lock").hold("me")


def test_a_worker_that_executes_nothing_is_started_again(start: Start, tmp_path: Path) -> None:
    start("--silent")
    first = pid_of(tmp_path, "worker")

    assert until(lambda: pid_of(tmp_path, "worker") != first)
    assert "stop worker" in (tmp_path / "order").read_text(), "it was asked, not killed"


def test_the_process_ids_are_there_for_whoever_measures(start: Start, tmp_path: Path) -> None:
    (tmp_path / "run" / "pids").mkdir(parents=True)
    (tmp_path / "run" / "pids" / "of-an-earlier-run").write_text("1")
    start()

    noted = {file.name: int(file.read_text()) for file in (tmp_path / "run" / "pids").iterdir()}
    assert noted == {name: pid_of(tmp_path, name) for name in "abc"}


def test_what_a_dead_process_had_at_the_moment_is_forgotten_and_what_it_counted_is_not(
    start: Start, tmp_path: Path
) -> None:
    start()
    figures, first = tmp_path / "run" / "metrics", pid_of(tmp_path, "b")
    (figures / f"gauge_livesum_{first}.db").touch()
    (figures / f"counter_{first}.db").touch()

    os.kill(first, signal.SIGKILL)

    assert until(lambda: not (figures / f"gauge_livesum_{first}.db").exists())
    assert (figures / f"counter_{first}.db").exists()


def test_output_goes_to_a_log_and_warnings_to_the_console(start: Start, tmp_path: Path) -> None:
    site = start()
    site.send_signal(signal.SIGTERM)
    assert site.stdout
    said = site.stdout.read()
    site.wait(10)
    assert "hello from a" in (tmp_path / "log" / "a.log").read_text()
    assert "hello" not in said
    assert "a false alarm" not in said + (tmp_path / "log" / "a.log").read_text()
