"""A student's browser, as far as a test of faults needs one: pages, forms, and the live socket."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

_STATE = re.compile(r'data-sandbox="[^"]*"\s+data-state="([^"]*)"')
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"|"X-CSRFToken": ?"(\w+)"')


class Answer:
    def __init__(self, status: int, text: str, took_s: float) -> None:
        self.status, self.text, self.took_s = status, text, took_s

    @property
    def state(self) -> str:
        """Where the sandbox is, as the panel says."""
        found = _STATE.search(self.text)
        assert found, f"{self.status}: {self.text[:2000]}"
        return found[1]


class Visitor:
    """One person on one site."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    def sign_in(self, name: str, password: str) -> Visitor:
        page = self.get("/accounts/login/")
        answer = self.post("/accounts/login/", {"login": name, "password": password}, page)
        assert answer.status == 200, answer.text
        assert self.cookie, "signing in gave no session"
        return self

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self.address + path))

    def post(self, path: str, form: dict[str, str] | None = None, page: Answer | None = None) -> Answer:
        """Send a form as the page it stands on would; redirects are followed."""
        return self._send(path, form or {}, page or self.get("/sandbox/"), {})

    def press(self, button: str) -> Answer:
        """Press a button of the sandbox panel, as htmx does: the answer is the panel as it is then."""
        return self._send(f"/sandbox/{button}/", {}, self.get("/sandbox/"), {"HX-Request": "true"})

    def _send(self, path: str, form: dict[str, str], page: Answer, headers: dict[str, str]) -> Answer:
        token = _TOKEN.search(page.text)
        assert token, f"the page holds no token: {page.status} {page.text[:500]}"
        data = urlencode(form | {"csrfmiddlewaretoken": token[1] or token[2]}).encode()
        headers = {"Origin": self.address} | headers
        return self._ask(urllib.request.Request(self.address + path, data=data, headers=headers))

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._jar if "session" in cookie.name)

    def _ask(self, request: urllib.request.Request) -> Answer:
        began = time.monotonic()
        try:
            with self._opener.open(request, timeout=30) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return Answer(status, text, time.monotonic() - began)

    @contextlib.contextmanager
    def watching(self, sandbox: str, topic: str) -> Iterator[Watcher]:
        """The live picture, in a thread, connecting again whenever it is cut, as the page does."""
        watcher = Watcher(self, sandbox, topic)
        watcher.start()
        try:
            yield watcher
        finally:
            watcher.end()


class Watcher(threading.Thread):
    def __init__(self, visitor: Visitor, sandbox: str, topic: str) -> None:
        super().__init__(daemon=True)
        self._visitor, self._sandbox, self._topic = visitor, sandbox, topic
        self._ended = threading.Event()
        self.text = ""
        self.cuts = 0

    def run(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
                self._watch_once()
            self.cuts += not self._ended.is_set()
            self._ended.wait(0.3)

    def _watch_once(self) -> None:
        url = f"ws://{urlsplit(self._visitor.address).netloc}/ws/live/{self._sandbox}/"
        headers = {"Cookie": self._visitor.cookie}
        with connect(url, origin=Origin(self._visitor.address), additional_headers=headers) as socket:
            socket.send(json.dumps({"op": "hello", "view": [self._topic], "resume": None}))
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    self._take(socket.recv(timeout=0.2))

    def _take(self, said: str | bytes) -> None:
        self.text += said if isinstance(said, str) else said.decode()

    def sees(self, words: str, within_s: float) -> float:
        """Seconds until the words were in a frame."""
        began = time.monotonic()
        while words not in self.text:
            assert time.monotonic() - began < within_s, f"{words} was not shown in {within_s} s"
            time.sleep(0.02)
        return time.monotonic() - began

    def end(self) -> None:
        self._ended.set()
        self.join(10)
