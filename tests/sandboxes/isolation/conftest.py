"""Two hosts, one as the user that runs the tests and one as an ordinary user, and ways to run code inside."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

import pytest

from sandboxes.backends.local import bubblewrap, interpreter, kafka, nodes, records
from sandboxes.backends.local.seccomp_file import filter_descriptor
from sandboxes.backends.local.settings import Limits
from tests.sandboxes.backends.local_host import ORDINARY, LocalHost, run_program, running_host
from tests.sandboxes.isolation.attacks import ALL, BROKER, PROGRAM

CANARY = "canary-" + uuid.uuid4().hex

# Each attack in a process of its own: one that changes or ends its process must not spoil the next one.
HARNESS = """
import json, os, signal, sys
def attempt(code, mine):
    space = {"got": None, "mine": mine}
    try:
        exec(code, space)
    except OSError as error:
        return None
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return repr(space["got"])[:200] if space["got"] else None
told = {}
for name, code in json.loads(CODES):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(20)
        os.write(writing, json.dumps(attempt(code, writing)).encode())
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 4096)
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told[name] = json.loads(said) if said else (None if status == -signal.SIGXFSZ else f"status {status}")
print("TOLD" + json.dumps(told))
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """A host with two sandboxes, one to attack from and one to attack."""

    host: LocalHost
    own: str
    other: str


def users() -> list[int]:
    """Under root the suite runs twice: as root, and as somebody who is not."""
    return [0, ORDINARY] if os.geteuid() == 0 else [0]


@pytest.fixture(scope="session", params=users(), ids=lambda user: "ordinary" if user else "as-we-are")
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with running_host(user=request.param, environment={"SECRET_KEY": CANARY}) as host:
        yield Ground(host, host.start(), host.start())


@pytest.fixture(scope="session")
def told(ground: Ground) -> dict[str, dict[str, str | None]]:
    """What each attack came to, by rights and name: None when it was refused."""
    with targets(ground) as names:
        codes = {
            rights: json.dumps([(one.name, one.code) for one in ALL if rights in one.rights])
            for rights in (PROGRAM, BROKER)
        }
        texts = {
            rights: HARNESS.replace("CODES", repr(Template(code).substitute(names)))
            for rights, code in codes.items()
        }
        workspace = ground.host.backend.workspace(ground.own)
        _, said = run_program(workspace, texts[PROGRAM], path="attack.py", within_s=120)
        return {PROGRAM: _outcomes(said), BROKER: _outcomes(run_as_broker(ground, texts[BROKER]))}


def _outcomes(said: str) -> dict[str, str | None]:
    line = next((line for line in said.splitlines() if line.startswith("TOLD")), None)
    assert line, said
    found: dict[str, str | None] = json.loads(line.removeprefix("TOLD"))
    return found


class targets:  # noqa: N801 - used as a function is
    """Things that exist on this machine while the attacks run, by the names the table uses."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._port = socket.create_server(("0.0.0.0", 0))
        self._abstract = socket.socket(socket.AF_UNIX)
        self._name = "target-" + uuid.uuid4().hex
        self._file = tempfile.NamedTemporaryFile(prefix="target-")  # noqa: SIM115

    def __enter__(self) -> dict[str, str]:
        self._abstract.bind("\0" + self._name)
        self._abstract.listen()
        self._file.write(b"not for you")
        self._file.flush()
        host = self._ground.host
        own, other = (_record(host, one) for one in (self._ground.own, self._ground.other))
        return {
            "project": str(Path(__file__).resolve().parents[3]),
            "host": str(host.directory),
            "sandboxes": str(host.sandboxes),
            "other": str(host.sandboxes / self._ground.other),
            "own": str(host.sandboxes / self._ground.own),
            "temporary": self._file.name,
            "socket": str(host.socket),
            "port": str(self._port.getsockname()[1]),
            "own_address": own.address,
            "other_address": other.address,
            "machine_address": _machine_address(),
            "abstract": self._name,
            "canary": CANARY,
            "token": own.token,
        }

    def __exit__(self, *_: object) -> None:
        self._port.close()
        self._abstract.close()
        self._file.close()


def _record(host: LocalHost, sandbox_id: str) -> records.Record:
    record = records.load(records.Home(host.sandboxes / sandbox_id))
    assert record
    return record


def _machine_address() -> str:
    """An address of this machine besides loopback, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        address: str = line.getsockname()[0]
        return address


def run_as_broker(ground: Ground, code: str) -> str:
    """Run Python in the very view and limits of the broker's JVM, beside it; what it printed."""
    found = interpreter.find()
    assert found
    here = Path("/nowhere")
    parts = bubblewrap.Parts(
        bwrap=here,
        bwrap_libs=here,
        java_home=here,
        jars=here,
        site=here,
        aot_cache=here,
        etc=here,
        code=here,
        interpreter=found,
    )
    node = kafka.PROFILES["kafka-1"].nodes[0]
    script = ground.host.sandboxes / ground.own / "data" / node.name / "attack.py"
    script.write_text(code)
    script.chmod(0o644)
    view = nodes.broker_view(parts, Limits(), node)
    argv = bubblewrap.inner(parts, replace(view, command=(found.inside, f"{node.directory}/attack.py")))
    return _spawn(ground, argv)


def _spawn(ground: Ground, argv: list[str]) -> str:
    record = _record(ground.host, ground.own)
    run = os.open(ground.host.sandboxes / ground.own / "run", os.O_PATH)
    reading, writing = os.pipe()
    nothing, filtering = os.open(os.devnull, os.O_RDWR), filter_descriptor()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.connect(f"/proc/self/fd/{run}/keeper.sock")
        line.send(json.dumps({"op": "hello", "token": record.token}).encode())
        line.recv(4096)
        request = {
            "op": "spawn",
            "name": f"attack-{uuid.uuid4().hex}",
            "argv": argv,
            "env": bubblewrap.environment(),
            "targets": [0, 1, 2, bubblewrap.SECCOMP_FD],
        }
        socket.send_fds(line, [json.dumps(request).encode()], [nothing, writing, writing, filtering])
        for descriptor in (run, writing, nothing, filtering):
            os.close(descriptor)
        with os.fdopen(reading) as said:
            return said.read()
