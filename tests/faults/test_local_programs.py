"""F20: programs that take all they can, will not end, hide, or leave traps: ended in time, with nothing left.

What each limit does exactly is proven in tests/sandboxes/isolation; here it is the whole: how long it takes,
what is left, what the grader makes of the traps, and that the neighbour goes on.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandboxes.backends.base import FileRefused, Phase, Workspace
from sandboxes.observe import KafkaView
from tests.faults.table import Case
from tests.sandboxes.backends.local_host import (
    LocalHost,
    output_of,
    run_program,
    running_host,
    until_ended,
    wait_until,
)
from tests.sandboxes.backends.test_local import consume, create_topic, descendants, produce
from tests.sandboxes.isolation.conftest import users

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("local faults")]

CPU_S, WALL_S, STOP_S = 2, 6, 3
LATE_S = 2.0
FOR_EVER = "import time\nwhile True: time.sleep(1)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A program, the reasons it may be ended for, and within how many seconds of its start (or of a stop)."""

    code: str
    reasons: tuple[str, ...]
    within_s: float
    stop: bool = False


BAD = {
    "fork bomb": Bad(
        code="import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n",
        reasons=("memory",),
        within_s=WALL_S,
    ),
    # On a busy machine the time may run out first: programs come after everything else.
    "all of a processor": Bad(code="while True: pass\n", reasons=("cpu", "time"), within_s=WALL_S),
    # The kernel refuses what is over the limit; it may keep what it has until its time is up.
    "10 GB of memory": Bad(
        code="held = []\nwhile len(held) < 1000:\n"
        "    try: held.append(b'x' * 10_000_000)\n    except MemoryError: pass\n",
        reasons=("cpu", "time"),
        within_s=WALL_S,
    ),
    "10 GB of memory by many": Bad(
        code="import os, time\nfor _ in range(6): os.fork()\nheld = bytearray(30_000_000)\n" + FOR_EVER,
        reasons=("memory",),
        within_s=WALL_S,
    ),
    "a million files": Bad(
        code="import os\nos.mkdir('many')\n"
        "for n in range(1_000_000): os.close(os.open(f'many/{n}', os.O_CREAT))",
        reasons=("disk",),
        within_s=WALL_S,
    ),
    "endless output": Bad(code="while True: print('x' * 1000)\n", reasons=("output",), within_s=WALL_S),
    "never ends": Bad(code=FOR_EVER, reasons=("time",), within_s=WALL_S),
    "ignores being told to end": Bad(
        code="import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n" + FOR_EVER,
        reasons=("stopped",),
        within_s=STOP_S,
        stop=True,
    ),
    "daemon, forked twice": Bad(
        code="import os\nif os.fork() == 0:\n    if os.fork(): os._exit(0)\n"
        "    for n in range(3): os.close(n)\n" + FOR_EVER,
        reasons=("stopped",),
        within_s=STOP_S,
        stop=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A host whose limits are short, a sandbox for the bad program, and its neighbour."""

    host: LocalHost
    own: str
    other: str

    @property
    def workspace(self) -> Workspace:
        return self.host.backend.workspace(self.own)

    def until_quiet(self) -> None:
        """What is left is the keeper, and bubblewrap with the broker."""
        keeper = self.host.keeper_pid(self.own)
        wait_until(lambda: len(descendants(keeper)) == 3, 60, lambda: f"left: {descendants(keeper)}")

    def check(self) -> tuple[str, ...]:
        """Both brokers live, nothing else is left of any program, nobody else's data has changed."""
        self.until_quiet()
        assert self.host.backend.observe(self.own).phase is Phase.RUNNING
        assert consume(self.host, self.other, "orders", 1) == ["kept"]
        assert consume(self.host, self.own, "orders", 1) == ["kept"]
        return ("I3", "I4", "I5", "I10")


@pytest.fixture(scope="module", params=users(), ids=lambda user: "ordinary" if user else "as-we-are")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    limits = {"program_cpu_s": CPU_S, "program_wall_s": WALL_S, "program_stop_s": STOP_S}
    with running_host(user=request.param, limits=limits) as host:
        found = Pair(host, host.start(), host.start())
        for name in (found.own, found.other):
            create_topic(host, name, "orders")
            produce(host, name, "orders", ["kept"])
        yield found


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(bad, marks=pytest.mark.fault("F20", f"program: {name}", holds="I3 I4 I5 I10"), id=name)
        for name, bad in BAD.items()
    ],
)
def test_a_bad_program_is_ended_in_time_with_nothing_left(pair: Pair, case: Case, bad: Bad) -> None:
    workspace = pair.workspace
    workspace.write_file("bad.py", bad.code)
    began = time.monotonic()
    run = workspace.start_program(path="bad.py")
    if bad.stop:
        time.sleep(0.5)
        began = time.monotonic()
        workspace.stop_program(run.program_id)
    ended = until_ended(workspace, run.program_id, within_s=bad.within_s + LATE_S)
    case.took(time.monotonic() - began)

    assert ended.reason in bad.reasons, ended
    pair.until_quiet()
    if "output" in bad.reasons:
        assert len(output_of(workspace, run.program_id)) <= 2 * 1024 * 1024
    if "disk" in bad.reasons:
        run_program(workspace, "import shutil; shutil.rmtree('many')", path="bad.py")
    case.holds(*pair.check())


TRAPS = {
    "symlink out of the workspace": "os.symlink('/etc/passwd', 'answer.txt')",
    "symlink to another's data": "os.symlink('$other/work/kafka.properties', 'answer.txt')",
    "FIFO": "os.mkfifo('answer.txt')",
    "folder": "os.mkdir('answer.txt')",
    "socket": "import socket; socket.socket(socket.AF_UNIX).bind('answer.txt')",
    "file too large to read, and sparse": "open('answer.txt', 'wb').truncate(16_000_000)",
}


@pytest.mark.parametrize(
    "trap",
    [
        pytest.param(
            code, marks=pytest.mark.fault("F20", f"left as a result: {name}", holds="I4 I10"), id=name
        )
        for name, code in TRAPS.items()
    ],
)
def test_nobody_falls_into_what_a_program_left_as_its_result(pair: Pair, case: Case, trap: str) -> None:
    """Neither the editor nor the grader follows it, waits for it, or reads it whole."""
    endpoint = pair.host.backend.observe(pair.own).endpoint
    assert endpoint
    trap = trap.replace("$other", str(pair.host.sandboxes / pair.other))
    ended, said = run_program(pair.workspace, f"import os\n{trap}", path="trap.py")
    began = time.monotonic()
    view = KafkaView(endpoint=endpoint, workspace=pair.workspace, faults=lambda: ())
    graded = view.file("answer.txt")
    case.took(time.monotonic() - began)
    with pytest.raises(FileRefused):
        pair.workspace.read_file("answer.txt")

    assert ended.exit_code == 0, said
    assert not graded
    run_program(pair.workspace, CLEAR, path="trap.py")
    case.holds("I4", "I10")


CLEAR = """
import os, shutil
is_folder = os.path.isdir("answer.txt") and not os.path.islink("answer.txt")
shutil.rmtree("answer.txt") if is_folder else os.unlink("answer.txt")
"""

REACH = """
import os
got = []
PLACES = ("/opt/plat/launch.py", "/opt/site/x.py", "/usr/lib/python3/x.py", "/etc/hosts", "$here/x.py")
for path in PLACES:
    try:
        open(path, "a").close()
        got.append(path)
    except OSError:
        pass
for call in (lambda: os.link("/etc/passwd", "hard"), lambda: os.mknod("device", 0o60600, 0x700)):
    try:
        call()
        got.append("made a link or a device")
    except OSError:
        pass
print("reached:", got)
"""


@pytest.mark.fault("F20", "writes where checks and programs are kept, links, devices", holds="I4")
def test_a_program_writes_nowhere_but_in_its_own_folder(pair: Pair, case: Case) -> None:
    code = REACH.replace("$here", str(Path(__file__).resolve().parents[2]))

    _, said = run_program(pair.workspace, code, path=f"reach-{uuid.uuid4().hex[:6]}.py")

    assert said == "reached: []\n"
    case.holds("I4")
