"""The live picture over plain HTTP as a test reads it: an event stream, polls, operations."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.live.served import Served

Event = tuple[str, str, str]


class Stream:
    """One event stream. Events are (kind, id, data)."""

    def __init__(
        self,
        site: Served,
        who: str = "ada",
        asked: Mapping[str, str] | None = None,
        *,
        port: int = 0,
        last_event_id: str = "",
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port or site.port, timeout=10)
        headers = {"Cookie": site.cookies.get(who, ""), "Accept-Encoding": "gzip"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        query = urlencode({"view": "orders"} | dict(asked or {}))
        self._connection.request("GET", f"/live/{site.sandbox}/events/?{query}", headers=headers)
        try:
            self.answer = self._connection.getresponse()
        except TimeoutError:
            self._connection.close()
            raise
        self.status = self.answer.status
        self.last_id = ""
        self._frames: deque[dict[str, Any]] = deque()

    def events(self) -> Iterator[Event]:
        kind, mark, data = "message", "", []
        while line := self.answer.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "data":
                data.append(value)
            elif name == "event":
                kind = value
            elif name == "id":
                mark = self.last_id = value
            elif not name:
                yield kind, mark, "\n".join(data)
                kind, mark, data = "message", "", []

    def next(self, kind: str = "message") -> Event:
        return next(event for event in self.events() if event[0] == kind)

    def frame(self, lane: str) -> dict[str, Any]:
        """The next frame of a lane; those of others are passed over."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if frame["lane"] == lane:
                    return frame
            self._frames.extend(map(json.loads, self.next()[2].split("\n")))

    def close(self) -> None:
        """Gone without a word."""
        if self._connection.sock:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self.answer.close()
        self._connection.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(
    site: Served, method: str, path: str, who: str = "ada", body: str = "", **headers: str
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request(method, path, body=body, headers={"Cookie": site.cookies.get(who, ""), **headers})
    answer = connection.getresponse()
    told = answer.status, answer.read().decode()
    connection.close()
    return told


def poll(site: Served, **asked: object) -> list[dict[str, Any]]:
    query = urlencode({"view": "orders"} | asked)
    status, text = ask(site, "GET", f"/live/{site.sandbox}/poll/?{query}")
    assert status == 200, text
    return [json.loads(line) for line in text.splitlines()]


def token(site: Served) -> tuple[str, str]:
    """A form's token and the cookie that goes with it."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", "/accounts/login/")
    answer = connection.getresponse()
    cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.read().decode())
    connection.close()
    assert found
    return found.group(1), cookie


def say(site: Served, stream: str, *, who: str = "ada", **op: Any) -> int:
    """An operation for a stream, as our page sends it."""
    value, cookie = token(site)
    body = json.dumps({"stream": stream, "op": op})
    headers = {"Content-Type": "application/json", "X-CSRFToken": value, "Origin": site.address}
    both = {"Cookie": f"{site.cookies[who]}; {cookie}"}
    return ask(site, "POST", f"/live/{site.sandbox}/ops/", body=body, **headers, **both)[0]


def until(holds: Any, within_s: float = 10.0) -> float:
    """Wait until something holds; how long it took, seconds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "it did not come to hold"
        time.sleep(0.05)
    return time.monotonic() - began
