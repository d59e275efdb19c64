"""Every attack in the table comes to nothing, with a program's rights and with the broker's, twice:
by a host that runs as root and gives each sandbox a user, and by one that runs as an ordinary user."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from string import Template

import pytest

from sandboxes.backends.base import Phase
from sandboxes.backends.local import records
from tests.sandboxes.backends.local_host import run_program
from tests.sandboxes.isolation.attacks import ALL, BOTH, BROKER
from tests.sandboxes.isolation.conftest import CANARY, HARNESS, Ground, run_as_broker, targets

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("isolation")]


@pytest.mark.parametrize("rights", BOTH)
@pytest.mark.parametrize("name", [one.name for one in ALL])
def test_an_attack_is_refused(told: dict[str, dict[str, str | None]], name: str, rights: str) -> None:
    if name not in told[rights]:
        assert rights not in next(one.rights for one in ALL if one.name == name)
        return  # what the other may do is no attack

    assert told[rights][name] is None


OUTSIDE = (
    "read the settings",
    "read the host's directory",
    "read all sandboxes",
    "read another sandbox's file",
    "read the machine's temporary files",
    "find the canary in its environment",
    "connect to a port of the machine",
    "connect to another sandbox",
    "connect to the machine's abstract socket",
    *(["write /etc/hosts"] if os.geteuid() == 0 else []),
)


def test_the_table_can_tell(ground: Ground) -> None:
    """The same attacks without a sandbox succeed, so a refusal inside is the sandbox's doing."""
    with targets(ground) as names:
        codes = json.dumps([(one.name, one.code) for one in ALL if one.name in OUTSIDE])
        done = subprocess.run(
            [sys.executable, "-c", HARNESS.replace("CODES", repr(Template(codes).substitute(names)))],
            env={"PATH": "/usr/bin:/bin", "SECRET_KEY": CANARY},
            capture_output=True,
            text=True,
            timeout=60,
        )

    outcomes = json.loads(done.stdout.splitlines()[-1].removeprefix("TOLD"))
    assert set(outcomes) == set(OUTSIDE)
    assert [name for name, got in outcomes.items() if got is None] == []


def test_names_in_the_table_are_unique() -> None:
    names = [one.name for one in ALL]

    assert len(names) == len(set(names))


def test_a_program_cannot_end_anything_but_itself(ground: Ground) -> None:
    code = """
import os
for pid in range(1, 400):
    if pid not in (os.getpid(), os.getppid()):
        try: os.kill(pid, 9)
        except OSError: pass
print("done")
"""
    ended, _ = run_program(ground.host.backend.workspace(ground.own), code)

    assert ended.exit_code == 0 or ended.signal == signal.SIGKILL
    assert ground.host.backend.observe(ground.own).phase is Phase.RUNNING


def test_a_broker_cannot_end_the_keeper(ground: Ground) -> None:
    keeper = ground.host.keeper_pid(ground.own)
    said = run_as_broker(
        ground,
        "import os, signal\nfor number in signal.valid_signals():\n    os.kill(1, number)\nprint('sent')",
    )

    assert said == "sent\n"
    time.sleep(0.2)
    assert records.process_start(keeper)
    assert ground.host.backend.observe(ground.own).phase is Phase.RUNNING
    assert ground.host.backend.workspace(ground.own).list_files()


def test_a_broker_may_write_its_own_data_only(ground: Ground) -> None:
    said = run_as_broker(ground, "open('/data/k1/log/probe', 'w').write('mine')\nprint('written')")

    assert said == "written\n"
    assert (ground.host.sandboxes / ground.own / "data/k1/log/probe").read_text() == "mine"
    (ground.host.sandboxes / ground.own / "data/k1/log/probe").unlink()


def test_the_jvm_itself_is_held_like_the_probe(ground: Ground) -> None:
    said = run_as_broker(
        ground,
        "import os\n"
        "for pid in os.listdir('/proc'):\n"
        "    if pid.isdigit() and open(f'/proc/{pid}/comm').read().strip() == 'java':\n"
        "        print(open(f'/proc/{pid}/status').read())",
    )

    for word in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert word in said


def test_a_wrong_token_is_refused_by_the_keeper(ground: Ground) -> None:
    run = os.open(ground.host.sandboxes / ground.own / "run", os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.connect(f"/proc/self/fd/{run}/keeper.sock")
        line.send(json.dumps({"op": "spawn", "name": "x", "argv": ["/bin/sh"], "env": {}}).encode())

        assert line.recv(4096) == b""
    os.close(run)


def test_the_table_has_rows_for_both_kinds_of_rights() -> None:
    assert sum(BROKER in one.rights for one in ALL) > 100
