"""Small sites of a known make, for proving what is measured in a browser."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PARCELS = (20_000, 30_000, 50_000)

PLAIN = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A plain page</title>
<meta name="viewport" content="width=device-width"><meta name="description" content="A page to look at.">
<link rel="icon" href="data:,"></head><body><main><h1>A plain page</h1></main></body></html>"""
POOR = """<!doctype html><html><head><meta name="robots" content="noindex"><link rel="icon" href="data:,">
</head><body><h1>A poor page</h1><input><button></button><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="
width="9" height="9"></body></html>"""
_PARCELS = PLAIN.replace(
    "</main>", "".join(f'<script src="/parcel/{size}"></script>' for size in PARCELS) + "</main>"
)


@contextmanager
def parcels() -> Iterator[str]:
    """A page with scripts of these sizes, that no compression makes smaller."""

    def answer(path: str) -> tuple[str, bytes]:
        if path.startswith("/parcel/"):
            size = int(path.rpartition("/")[2])
            return "text/javascript", b"//" + os.urandom(size // 2).hex().encode()[: size - 2]
        return "text/html; charset=utf-8", _PARCELS.encode()

    with _serving(answer) as origin:
        yield origin


@contextmanager
def late(delay_ms: float) -> Iterator[str]:
    """A plain page that comes so much later, and at /poor one with faults that everybody must see."""

    def answer(path: str) -> tuple[str, bytes]:
        time.sleep(delay_ms / 1000)
        if path == "/robots.txt":
            return "text/plain", b""
        return "text/html; charset=utf-8", (POOR if path == "/poor" else PLAIN).encode()

    with _serving(answer) as origin:
        yield origin


@contextmanager
def _serving(answer: Callable[[str], tuple[str, bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = answer(self.path)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
