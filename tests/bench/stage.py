"""What the benches share: one running site, one host of sandboxes, started when first asked for."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import re
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from redis import Redis

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.backends.local.backend import LocalBackend
from tests.bench import processes
from tests.bench.rooms import Room
from tests.browser.site import RunningSite, running_site
from tests.sandboxes.backends.local_host import LocalHost, running_host

_PANEL = re.compile(r'data-sandbox="([^"]*)"\s+data-state="([^"]*)"')
_START_S = 60.0


class Student:
    """A signed-in browser without a picture: cookies and forms."""

    def __init__(self, address: str, username: str) -> None:
        self.address = address
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        self.get("/accounts/login/")
        self.post("/accounts/login/", login=username, password=f"millrace-{username}")
        assert "millrace-session" in self.cookies, "the demo student could not sign in"

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self._jar}

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def get(self, path: str) -> str:
        return self._send(urllib.request.Request(self.address + path))

    def post(self, path: str, **form: str) -> str:
        data = urllib.parse.urlencode(form).encode()
        headers = {"X-CSRFToken": self.cookies.get("millrace-csrf", ""), "Referer": self.address + "/"}
        if path.startswith("/sandbox/"):
            headers["HX-Request"] = "true"
        return self._send(urllib.request.Request(self.address + path, data=data, headers=headers))

    def _send(self, request: urllib.request.Request) -> str:
        with self._opener.open(request, timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def panel(self, text: str = "") -> tuple[str, str]:
        """Sandbox id in hex and state, from a panel's HTML or from the site."""
        found = _PANEL.search(text or self.get("/sandbox/"))
        assert found, text
        return found.group(1).replace("-", ""), found.group(2)

    def until_state(self, *states: str) -> str:
        """Wait until the panel says one of these; the sandbox's id."""
        until = time.monotonic() + _START_S
        while True:
            sandbox_id, state = self.panel()
            if state in states:
                return sandbox_id
            assert time.monotonic() < until, f"the sandbox stayed {state}"
            time.sleep(0.05)

    def delete_sandbox(self) -> None:
        self.post("/sandbox/delete/")
        self.until_state("none", "deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A student's running sandbox in the site."""

    student: Student
    sandbox_id: str
    endpoint: KafkaEndpoint
    broker_pid: int

    @property
    def uuid(self) -> str:
        return "-".join(re.findall("(.{8})(.{4})(.{4})(.{4})(.{12})", self.sandbox_id)[0])

    @property
    def path(self) -> str:
        """The address of its live websocket."""
        return f"/ws/live/{self.uuid}/"


class Stage:
    """A context: everything it started is gone when it ends."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        # Sandboxes of the host that sleep while other benches run, and since when (monotonic seconds).
        self.asleep: list[Room] = []
        self.asleep_since = 0.0

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def site(self) -> RunningSite:
        return self._stack.enter_context(running_site())

    @cached_property
    def host(self) -> LocalHost:
        return self._stack.enter_context(running_host())

    @cached_property
    def backend(self) -> LocalBackend:
        """The site's own host of sandboxes."""
        return LocalBackend(self.site.data / "run" / "host.sock")

    @cached_property
    def redis(self) -> Redis:
        return Redis(unix_socket_path=str(self.site.data / "run" / "valkey.sock"))

    @cached_property
    def ada(self) -> Student:
        return Student(self.site.address, "ada")

    @cached_property
    def edsger(self) -> Student:
        return Student(self.site.address, "edsger")

    @property
    def watched(self) -> Watched:
        """Ada's sandbox, ready and awake: while other benches ran it may have been frozen."""
        watched = self._watched
        self.ada.get("/sandbox/files/")
        return watched

    @cached_property
    def _watched(self) -> Watched:
        self.ada.post("/sandbox/start/")
        sandbox_id = self.ada.until_state("ready")
        endpoint = self.backend.observe(sandbox_id).endpoint
        assert endpoint
        broker = processes.named(self.keeper_pid(sandbox_id), "kafka.Kafka")
        return Watched(student=self.ada, sandbox_id=sandbox_id, endpoint=endpoint, broker_pid=broker)

    @cached_property
    def web_pid(self) -> int:
        return processes.named(self.site.process.pid, "config.asgi:application")

    @cached_property
    def sampler_pid(self) -> int:
        return processes.named(self.site.process.pid, "manage.py sampler")

    def keeper_pid(self, sandbox_id: str) -> int:
        state: dict[str, Any] = json.loads(
            (self.site.data / "sandboxes" / sandbox_id / "state.json").read_text()
        )
        return int(state["keeper_pid"])
