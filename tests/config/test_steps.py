"""Steps and their stamps: nothing is done twice, a failure stops what has not begun."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config import paths
from config.install import plan, site, stamps
from config.install.faults import SetupFault
from config.install.progress import Progress
from config.install.steps import Step, run_side_by_side, run_step


def step(title: str, done: list[str], *, current: bool = False) -> Step:
    def run() -> str:
        done.append(title)
        return "done"

    return Step(title=title, is_current=lambda: current, run=run)


def quiet() -> Progress:
    return Progress(io.StringIO())


def test_a_step_that_is_current_does_nothing() -> None:
    done: list[str] = []
    assert not run_step(step("a", done, current=True), quiet())
    assert done == []


def test_a_finished_step_is_one_line_with_its_time() -> None:
    out = io.StringIO()
    run_step(step("Database", []), Progress(out))
    assert out.getvalue().split() == ["Database", "0.0", "s", "done"]


def test_chains_run_at_once_and_each_in_order() -> None:
    done: list[str] = []
    meet = threading.Barrier(2, timeout=5)
    both = [Step(title=name, is_current=lambda: False, run=lambda: str(meet.wait())) for name in "xy"]
    run_side_by_side([(both[0], step("1", done), step("2", done)), (both[1],)], quiet())
    assert done == ["1", "2"]


def test_after_a_failure_no_further_step_begins() -> None:
    done: list[str] = []
    failed = threading.Event()

    def fail() -> str:
        failed.set()
        raise SetupFault("It broke.", "Mend it.")

    broken = Step(title="broken", is_current=lambda: False, run=fail)
    slow = Step(title="slow", is_current=lambda: False, run=lambda: str(failed.wait(5)))
    with pytest.raises(SetupFault, match="It broke"):
        run_side_by_side([(broken,), (slow, step("never", done))], quiet())
    assert done == []


def test_a_stamp_holds_until_its_fingerprint_changes(tmp_path: Path) -> None:
    kept = stamps.Stamps(tmp_path)
    kept.write("x", stamps.fingerprint("one"))
    assert kept.is_fresh("x", stamps.fingerprint("one"))
    assert not kept.is_fresh("x", stamps.fingerprint("two"))
    kept.forget("x")
    assert not kept.is_fresh("x", stamps.fingerprint("one"))


def test_two_installations_that_share_a_cache_build_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    at_work = threading.Lock()

    def build() -> str:
        assert at_work.acquire(blocking=False), "two build at once"
        time.sleep(0.2)
        built.append("bundles")
        at_work.release()
        return ""

    bundles = Step(title="Bundles", is_current=lambda: bool(built), run=build)
    monkeypatch.setattr(plan, "FETCHED", ((bundles,),))
    monkeypatch.setattr(site, "make_folders", lambda: None)
    monkeypatch.setattr(paths, "CACHE_DIR", tmp_path)
    with ThreadPoolExecutor(2) as both:
        for job in [both.submit(plan.fetch, quiet()) for _ in range(2)]:
            job.result()

    assert built == ["bundles"]
