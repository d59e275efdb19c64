"""What its machine sees of one sandbox at this moment: one observation, its use, its programs.

Nothing here wakes it: a frozen sandbox stays frozen, however often it is looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sandboxes import provisioning
from sandboxes.backends.base import BackendError, Observation
from sandboxes.console import words
from sandboxes.console.usage import Reading, Sample, readings, samples
from sandboxes.lifecycle import ALIVE
from sandboxes.models import Sandbox

WIDE, HIGH = 240, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A small picture of the last readings. points: for a polyline of WIDE by HIGH; the rest in words."""

    name: str
    points: str
    since: str
    most: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """why: one sentence when the machine could not be asked; then everything else is empty."""

    why: str = ""
    observed: Observation | None = None
    running: int | None = None
    runs: int = 0
    reading: Reading | None = None
    samples: tuple[Sample, ...] = ()
    curves: tuple[Curve, ...] = ()

    @property
    def memory_now(self) -> str:
        return words.size(self.reading.memory_bytes) if self.reading else words.NOTHING

    @property
    def cores_now(self) -> str:
        return words.cores(self.reading.cores if self.reading else None)

    @property
    def disk_now(self) -> str:
        return words.size(self.reading.disk_bytes) if self.reading else words.NOTHING

    @property
    def table(self) -> tuple[tuple[datetime, str, str], ...]:
        """The readings as text, newest first."""
        return tuple(
            (
                datetime.fromtimestamp(sample.at, tz=UTC),
                words.size(sample.memory_bytes),
                words.cores(sample.cores),
            )
            for sample in reversed(self.samples)
        )


def seen(sandbox: Sandbox) -> Seen:
    """Ask the sandbox's machine once."""
    try:
        observed = provisioning.backend_for(sandbox).observe(sandbox.hex)
        running, runs = _programs(sandbox)
    except BackendError as error:
        return Seen(why=words.for_staff(error.sentence))
    taken = readings([sandbox.cluster])
    drawn = samples(sandbox.hex, taken)
    return Seen(
        observed=observed,
        running=running,
        runs=runs,
        reading=taken.by_hex.get(sandbox.hex),
        samples=drawn,
        curves=_curves(drawn),
    )


def _curves(drawn: Sequence[Sample]) -> tuple[Curve, ...]:
    memory = [(sample.at, float(sample.memory_bytes)) for sample in drawn]
    cores = [(sample.at, sample.cores) for sample in drawn if sample.cores is not None]
    curves = (
        _curve("Memory", memory, lambda value: words.size(round(value))),
        _curve("Cores", cores, words.cores),
    )
    return tuple(curve for curve in curves if curve)


def _programs(sandbox: Sandbox) -> tuple[int | None, int]:
    """How many run and how many ran; None while it is not up. Asking the backend itself thaws nothing."""
    if sandbox.now not in ALIVE:
        return None, 0
    runs = provisioning.backend_for(sandbox).workspace(sandbox.hex).programs()
    return sum(run.running for run in runs), len(runs)


def _curve(name: str, values: Sequence[tuple[float, float]], say: Callable[[float], str]) -> Curve | None:
    """Nothing below two points; the height is the most there was, so that the words carry the scale."""
    if len(values) < 2:
        return None
    first, last = values[0][0], values[-1][0]
    most = max(value for _, value in values) or 1.0
    points = " ".join(
        f"{(at - first) / (last - first) * WIDE:.1f},{HIGH - value / most * (HIGH - 2):.1f}"
        for at, value in values
    )
    return Curve(
        name=name, points=points, since=words.lasting(last - first), most=say(most), now=say(values[-1][1])
    )
