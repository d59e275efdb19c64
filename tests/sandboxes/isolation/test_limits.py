"""What a program may use up before it is ended, and that nobody else notices."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from sandboxes.backends.base import Phase, ProgramRun, Workspace
from tests.sandboxes.backends.local_host import LocalHost, run_program, running_host, until_ended, wait_until
from tests.sandboxes.backends.test_local import processes_with
from tests.sandboxes.isolation.conftest import Ground, users

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("isolation")]

PLENTY = 20_000_000


@pytest.fixture
def workspace(ground: Ground) -> Workspace:
    return ground.host.backend.workspace(ground.own)


@pytest.fixture(scope="module", params=users(), ids=lambda user: "ordinary" if user else "as-we-are")
def strict(request: pytest.FixtureRequest) -> Iterator[tuple[LocalHost, str]]:
    """A host whose times and sizes are short, and a sandbox of it."""
    limits = {"program_cpu_s": 1, "program_wall_s": 10, "data_bytes": PLENTY}
    with running_host(user=request.param, limits=limits) as host:
        yield host, host.start()


def how(run: ProgramRun) -> tuple[int | None, int | None, str]:
    return run.exit_code, run.signal, run.reason


def test_endless_output_is_cut_and_the_program_ended(workspace: Workspace) -> None:
    ended, said = run_program(workspace, "while True: print('x' * 100)")

    assert how(ended) == (None, 9, "output")
    assert len(said) <= 2 * 1024 * 1024


def test_a_daemon_left_behind_dies_with_its_program(workspace: Workspace) -> None:
    marker = uuid.uuid4().hex
    code = f"""
import os, sys, time
if os.fork() == 0:
    try: os.setsid()  # refused, and it goes on as a daemon all the same
    except OSError: pass
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{marker}"])
time.sleep(0.3)
"""
    run_program(workspace, code)

    wait_until(lambda: not processes_with(marker), 60, lambda: f"alive: {processes_with(marker)}")


def test_a_memory_bomb_of_many_processes_is_ended(workspace: Workspace) -> None:
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        break
held = []
while True:
    held.append(b"x" * 10_000_000)
    time.sleep(0.01)
"""
    ended, _ = run_program(workspace, code)

    assert how(ended) == (None, 9, "memory")


def test_one_process_cannot_take_more_memory_than_its_limit(workspace: Workspace) -> None:
    ended, said = run_program(workspace, "held = bytearray(300 * 1024 * 1024)")

    assert ended.exit_code == 1
    assert "MemoryError" in said


def test_a_fork_bomb_stops_at_the_limit_and_goes_with_the_program(workspace: Workspace) -> None:
    marker = uuid.uuid4().hex
    code = f"""
import os, time
marker = "{marker}"
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        count += 1
except OSError as error:
    print(count, error.errno)
"""
    ended, said = run_program(workspace, code)
    count, errno = said.split()

    assert int(count) < 64
    assert errno == "11"  # EAGAIN
    assert ended.exit_code == 0


def test_threads_count_as_processes(workspace: Workspace) -> None:
    code = """
import threading, time
count = 0
try:
    while count < 500:
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        count += 1
except RuntimeError:
    print(count)
"""
    assert int(run_program(workspace, code)[1]) < 64


def test_a_program_cannot_fill_the_disk(workspace: Workspace) -> None:
    code = """
number = 0
while True:
    with open(f"fill-{number}", "wb") as stream:
        stream.write(b"x" * 8_000_000)
    number += 1
"""
    ended, _ = run_program(workspace, code)
    again, _ = run_program(
        workspace, "open('more', 'wb').write(bytes(8_000_000))\nimport time; time.sleep(20)"
    )
    tidied, _ = run_program(
        workspace, "import glob, os\nfor name in glob.glob('fill-*') + ['more']: os.remove(name)"
    )

    assert how(ended) == how(again) == (None, 9, "disk")
    assert tidied.exit_code == 0


OPEN = """
held = [open(f"{number}.tmp", "wb", buffering=0) for number in range(12)]
for number, stream in enumerate(held):
    os.remove(f"{number}.tmp")
    stream.write(bytes(8_000_000))
"""
MAPPED = """
held = []
for number in range(12):
    with open("map.tmp", "wb+", buffering=0) as stream:
        stream.write(bytes(8_000_000))
        held.append(mmap.mmap(stream.fileno(), 8_000_000))
    os.remove("map.tmp")
"""
BY_ANOTHER = """
import ctypes
if os.fork() == 0:
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: its descriptors are nobody's to see
    held = open("another.tmp", "wb")
    os.remove("another.tmp")
    time.sleep(600)
"""
NEVER_NAMED = """
held = []
for number in range(50):
    held.append(os.memfd_create("hidden"))
    os.write(held[-1], bytes(8_000_000))
"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [(OPEN, "disk"), (MAPPED, "disk"), (BY_ANOTHER, "disk"), (NEVER_NAMED, "memory")],
    ids=["open", "mapped", "hidden by another process", "never named"],
)
def test_a_file_that_was_removed_counts_while_it_is_held(
    workspace: Workspace, code: str, reason: str
) -> None:
    ended, said = run_program(workspace, f"import mmap, os, time\n{code}\ntime.sleep(600)")

    assert (how(ended), said) == ((None, 9, reason), "")


def test_a_program_may_hold_removed_files_of_a_usual_size(workspace: Workspace) -> None:
    code = """
import tempfile, time
with tempfile.TemporaryFile() as memory, tempfile.TemporaryFile(dir=".") as disk:
    memory.write(bytes(8_000_000))
    disk.write(bytes(8_000_000))
    time.sleep(3)
"""
    ended, _ = run_program(workspace, code)

    assert how(ended) == (0, None, "")


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "/workspace"])
def test_a_program_cannot_make_files_without_end(workspace: Workspace, folder: str) -> None:
    code = f"""
import os
os.makedirs("{folder}/many", exist_ok=True)
number = 0
while number < 3_000_000:
    os.close(os.open(f"{folder}/many/{{number}}", os.O_CREAT))
    number += 1
"""
    ended, _ = run_program(workspace, code)
    tidied, _ = run_program(workspace, "import shutil\nshutil.rmtree('/workspace/many', ignore_errors=True)")

    assert how(ended) == (None, 9, "disk")
    assert tidied.exit_code == 0
    assert (
        run_program(workspace, "import os; print(os.listdir('/tmp'), os.listdir('/dev/shm'))")[1] == "[] []\n"
    )


def test_what_programs_leave_in_tmp_is_removed_however_deep(workspace: Workspace) -> None:
    code = """
import os
os.chdir("/tmp")
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
os.symlink("/workspace", "link")
os.chmod(".", 0)
"""
    assert run_program(workspace, code)[0].exit_code == 0
    _, said = run_program(workspace, "import os; print(os.listdir('/tmp'))")

    assert said == "[]\n"
    assert workspace.read_file("kafka.properties").text


def test_one_file_cannot_grow_beyond_its_limit(workspace: Workspace) -> None:
    code = """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open("/tmp/big", "wb") as stream:
        for _ in range(40):
            stream.write(b"x" * 1_000_000)
except OSError as error:
    print(error.errno)
"""
    assert run_program(workspace, code)[1] == "27\n"  # EFBIG


def test_endless_cpu_is_ended(strict: tuple[LocalHost, str]) -> None:
    host, sandbox_id = strict

    ended, _ = run_program(host.backend.workspace(sandbox_id), "while True: pass")

    assert how(ended) == (None, 24, "cpu")


def test_a_program_that_never_ends_is_ended(strict: tuple[LocalHost, str]) -> None:
    host, sandbox_id = strict

    ended, _ = run_program(host.backend.workspace(sandbox_id), "import time; time.sleep(600)")

    assert how(ended) == (None, 9, "time")


def test_a_sandbox_whose_topics_outgrow_their_room_is_stopped(strict: tuple[LocalHost, str]) -> None:
    host, _ = strict
    sandbox_id = host.start()
    endpoint = host.backend.observe(sandbox_id).endpoint
    assert endpoint
    admin = AdminClient({**endpoint.client_config()})
    admin.create_topics([NewTopic("big", num_partitions=1)])["big"].result(10)
    producer = Producer(endpoint.client_config() | {"message.timeout.ms": "5000", "log_level": "0"})
    for _ in range(60):
        producer.produce("big", uuid.uuid4().bytes * 32 * 1000)
        producer.flush(5)

    seen = host.until_phase(sandbox_id, Phase.STOPPED)

    assert seen.cause == "disk_full"
    assert seen.detail.endswith(".")
    host.destroy(sandbox_id)


def test_a_bomb_in_one_sandbox_leaves_the_other_working(ground: Ground) -> None:
    workspace = ground.host.backend.workspace(ground.own)
    workspace.write_file("bomb.py", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
    bomb = workspace.start_program(path="bomb.py")
    time.sleep(0.5)

    ended, said = run_program(ground.host.backend.workspace(ground.other), "print('here')")

    assert (ended.exit_code, said) == (0, "here\n")
    assert ground.host.backend.observe(ground.own).phase is Phase.RUNNING
    workspace.kill_program(bomb.program_id)
    assert until_ended(workspace, bomb.program_id).signal == 9


def test_killing_a_program_ends_all_that_it_started(workspace: Workspace) -> None:
    code = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        os.setpgid(0, 0)
        time.sleep(600)
open("forked", "w").close()
time.sleep(600)
"""
    workspace.write_file("family.py", code)
    run = workspace.start_program(path="family.py")
    wait_until(
        lambda: "forked" in [one.path for one in workspace.list_files()], 60, lambda: "it did not start"
    )

    workspace.kill_program(run.program_id)

    ended = until_ended(workspace, run.program_id)
    assert how(ended) == (None, 9, "killed")
    assert not processes_with("family.py")
