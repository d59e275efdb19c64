"""A person at a running site without a browser's window: pages, forms, sockets; what came back is kept."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin


class Visitor:
    """address: of the site, without a slash at the end. heard: every page and frame so far, by where from."""

    def __init__(self, address: str, name: str = "", password: str = "") -> None:
        self.address, self.name = address, name
        self.jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.heard: list[tuple[str, str]] = []
        if name:
            self.sign_in(password)

    def sign_in(self, password: str) -> str:
        self.get("/accounts/login/")
        return self.post("/accounts/login/", login=self.name, password=password)

    def get(self, path: str) -> str:
        return self._ask(path, None)

    def post(self, path: str, **form: str) -> str:
        token = self.cookie("millrace-csrf")
        return self._ask(path, urlencode({**form, "csrfmiddlewaretoken": token}).encode())

    def cookie(self, name: str) -> str:
        return next((cookie.value or "" for cookie in self.jar if cookie.name == name), "")

    def _ask(self, path: str, data: bytes | None) -> str:
        """The page, whatever its status: what a refusal says counts as well."""
        request = urllib.request.Request(f"{self.address}{path}", data, {"Referer": f"{self.address}/"})
        try:
            with self._opener.open(request, timeout=60) as answer:
                text = f"{answer.url}\n{answer.headers}\n{answer.read().decode(errors='replace')}"
        except urllib.error.HTTPError as refused:
            with refused:
                text = f"{refused.url}\n{refused.headers}\n{refused.read().decode(errors='replace')}"
        self.heard.append((f"{self.name or 'a stranger'} at {path}", text))
        return text

    @contextlib.contextmanager
    def socket(self, path: str) -> Iterator[ClientConnection]:
        headers = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)}
        at = f"{self.address.replace('http', 'ws', 1)}{path}"
        with connect(at, origin=Origin(self.address), additional_headers=headers, compression=None) as socket:
            yield socket

    def listen(self, socket: ClientConnection, within_s: float) -> dict[str, Any] | None:
        """The next frame as JSON; None when none came in time."""
        try:
            text = str(socket.recv(within_s))
        except TimeoutError:
            return None
        self.heard.append((f"a frame to {self.name}", text))
        frame: dict[str, Any] = json.loads(text)
        return frame
