"""Directories of a sandbox and the start of its keeper: what must be there before Kafka."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from sandboxes.backends.local import bubblewrap, files, kafka, trees
from sandboxes.backends.local.bubblewrap import Parts
from sandboxes.backends.local.records import Home, Record, process_start, uid_of

CLIENT_PROPERTIES = "kafka.properties"
_CLIENT_TEXT = "bootstrap.servers=localhost:9092\nsecurity.protocol=PLAINTEXT\n"
_INFO_BYTES = 4096
_LOG_BYTES, _TAIL_BYTES = 8 << 20, 64 << 10
_ALARMING = re.compile(r"^\S+ (WARN|ERROR|FATAL) ")  # as log4j2.properties has it


class GroundError(Exception):
    """The sandbox's own ground could not be laid; the text is bubblewrap's or the system's."""


def make_shared(etc: Path) -> None:
    """The few files of /etc that every sandbox shares."""
    etc.mkdir(parents=True, exist_ok=True)
    # log4j asks for the host's name, and prints a stack trace when it has no address.
    (etc / "hosts").write_text("127.0.0.1 localhost sandbox\n")
    (etc / "passwd").write_text("student:x:1000:1000:student:/workspace:/bin/sh\n")
    (etc / "nsswitch.conf").write_text("passwd: files\nhosts: files\n")
    for path in (etc, *etc.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)


def make_home(home: Home, record: Record) -> None:
    """The directories of a sandbox, each with its owner; keeps what is there."""
    owner = uid_of(record.number)
    home.root.mkdir(parents=True, exist_ok=True)
    home.root.chmod(0o711)
    home.logs.mkdir(mode=0o700, exist_ok=True)
    for folder in (home.run, home.data, home.work):
        folder.mkdir(mode=0o700, exist_ok=True)
        _give(folder, owner)
    with contextlib.suppress(OSError):  # a student's folder of that name is theirs to mend
        files.write_file(home.work, CLIENT_PROPERTIES, _CLIENT_TEXT, base_version=None, owner=owner)


def make_node(home: Home, record: Record, node: kafka.Node, template: Path) -> None:
    """A node's formatted log directory, once, and its settings, every time."""
    owner = uid_of(record.number)
    folder = home.data / node.name
    folder.mkdir(mode=0o700, exist_ok=True)
    _give(folder, owner)
    if not (folder / "log" / "meta.properties").exists():
        _make_log(folder, record, node, template, owner)
    profile = kafka.PROFILES[record.profile]
    text = kafka.server_properties(
        profile,
        node,
        platform_address=record.address,
        password=record.password,
        crashed=kafka.has_crashed(folder / "log"),
    )
    aside = folder / ".server.properties"
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    _give(aside, owner)
    aside.replace(folder / "server.properties")


def _make_log(folder: Path, record: Record, node: kafka.Node, template: Path, owner: int | None) -> None:
    """Made aside and renamed: a broker never starts on half a directory."""
    aside = folder / ".log"
    shutil.rmtree(aside, ignore_errors=True)
    kafka.clone_template(template, aside, cluster_id=record.cluster_id, node_id=node.node_id)
    for path in (aside, *aside.iterdir()):
        _give(path, owner)
        path.chmod(0o700 if path.is_dir() else 0o600)
    aside.replace(folder / "log")


def _give(path: Path, owner: int | None) -> None:
    if owner is not None:
        os.chown(path, owner, owner, follow_symlinks=False)


def start_keeper(
    parts: Parts, home: Home, record: Record, *, seen_home: Home, lock_file: Path, grace_s: float
) -> subprocess.Popen[bytes]:
    """Make the namespaces and process 1 in them; fills in the record's keeper. Some 10 ms.

    seen_home: the same home by the path the sandbox's user can reach. Raises GroundError.
    """
    owner = uid_of(record.number)
    (home.run / "keeper.sock").unlink(missing_ok=True)
    info, info_in = os.pipe2(os.O_CLOEXEC)
    told, told_in = os.pipe2(os.O_CLOEXEC)
    lock = os.open(lock_file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    log = _open_log(home.logs / "keeper.log")
    try:
        process = subprocess.Popen(
            bubblewrap.outer(
                parts, run=seen_home.run, data=seen_home.data, work=seen_home.work, info_fd=info_in
            ),
            env=bubblewrap.environment(),
            stdin=told,
            stdout=log,
            stderr=log,
            pass_fds=(info_in, lock),
            start_new_session=True,
            user=owner,
            group=owner,
            extra_groups=None if owner is None else [],
        )
        os.close(info_in)
        info_in = -1
        # Not in the arguments: those can be read by every user of the machine.
        os.write(
            told_in, json.dumps({"token": record.token, "grace": grace_s, "lock": lock}).encode() + b"\n"
        )
        record.keeper_pid = _child_pid(_read_object(info), home)
        record.keeper_start = process_start(record.keeper_pid)
        return process
    except OSError as error:
        raise GroundError(str(error)) from error
    finally:
        for descriptor in (info, info_in, told, told_in, lock, log):
            if descriptor >= 0:
                os.close(descriptor)


def _read_object(descriptor: int) -> bytes:
    """What bubblewrap says about itself; it writes its one JSON object in several pieces."""
    said = b""
    while b"}" not in said and (piece := os.read(descriptor, _INFO_BYTES)):
        said += piece
    return said


def _child_pid(said: bytes, home: Home) -> int:
    if not said:
        raise GroundError(_tail(home.logs / "keeper.log")[-500:].strip())
    pid: int = json.loads(said)["child-pid"]
    return pid


def _open_log(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def open_node_log(home: Home, node: kafka.Node) -> int:
    """The file for what a broker prints, as a descriptor the caller owns; starts empty."""
    path = home.logs / f"{node.name}.log"
    if path.exists():
        _cut(path)
        path.replace(path.with_suffix(".log.1"))
    return _open_log(path)


def cut_logs(home: Home) -> None:
    """Whoever can make a broker complain can make its log grow: keep only the end of one that is long."""
    for path in home.logs.iterdir():
        _cut(path)


def _cut(path: Path) -> None:
    """Its writers append, so they go on behind what is left."""
    if path.stat().st_size > _LOG_BYTES:
        end = _tail(path)
        with path.open("w") as stream:
            stream.write(end)


def _tail(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return stream.read(_TAIL_BYTES).decode(errors="replace")


def last_words(home: Home, node: kafka.Node) -> str:
    """The last warning or error in a node's log; empty when there is none."""
    path = home.logs / f"{node.name}.log"
    with contextlib.suppress(OSError):
        lines = [line.strip() for line in _tail(path)[-4000:].splitlines()]
        return next((line[:300] for line in reversed(lines) if _ALARMING.search(line)), "")
    return ""


def remove_home(home: Home) -> None:
    """Delete everything, however deep and whatever rights its programs left behind; the record goes last."""
    for folder in (home.run, home.data, home.work, home.logs, home.root):
        trees.remove(folder)
