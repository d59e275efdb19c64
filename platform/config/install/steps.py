"""A step of set-up, and running chains of them side by side."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from config.install.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing set-up brings about.

    is_current: cheap (some milliseconds) and without side effects; run: returns a short note for the progress
    line, raises SetupFault. Both may be called at any time, from any thread, again after a break-off.
    """

    title: str
    is_current: Callable[[], bool]
    run: Callable[[], str]


Chain = Sequence[Step]


def run_step(step: Step, progress: Progress) -> bool:
    """Bring one step up to date; False when there was nothing to do."""
    if step.is_current():
        return False
    with progress.step(step.title) as notes:
        notes.append(step.run())
    return True


def run_side_by_side(chains: Iterable[Chain], progress: Progress) -> None:
    """Run each chain in order, all chains at once; after a failure the others only finish their step."""
    stop = threading.Event()

    def follow(chain: Chain) -> None:
        for step in chain:
            if stop.is_set():
                return
            try:
                run_step(step, progress)
            except BaseException:
                stop.set()
                raise

    chains = list(chains)
    with ThreadPoolExecutor(max(1, len(chains))) as pool:
        for job in [pool.submit(follow, chain) for chain in chains]:
            job.result()
