"""Process 1 of a sandbox: starts, watches and ends everything in it, and outlives the host daemon.

Standard library only, and little of it: one keeper runs per sandbox, so every import is paid many times. It
knows nothing of Kafka or Python programs: the host builds the commands. It reads one line of JSON from its
standard input, {"token", "grace", "lock"}: the secret a host must show, the seconds the site's lock may be
without a holder, and the descriptor of the lock's file.

The host talks to it over a SEQPACKET socket, one JSON object a packet, descriptors beside it:

    {"op": "hello", "token"}                          -> {"ok", "children": [name...]}; must come first
    {"op": "spawn", "name", "argv", "env", "targets", "rss", "unlinked", "guest"} + descriptors
                                                              -> {"ok", "pid"}
    {"op": "signal", "name", "signal", "to": "all" | "heart"}
    {"op": "listen", "port"}  {"op": "connect", "port"}       -> {"ok"} + a socket
    {"op": "exit"}

Answers carry the request's "id". Unasked, it says {"event": "exit", "name", "status", "reason"}.
"""

# pathlib and contextlib would be memory in every sandbox.
# ruff: noqa: PTH101, PTH106, PTH108, PTH116, PTH123, PTH208, SIM105, SLF001

from __future__ import annotations

import _socket  # the wrapper "socket" costs 2 MB in every sandbox
import ctypes
import fcntl
import json
import os
import select
import signal
import struct
import sys
import time

SOCKET_PATH = "/run/k/keeper.sock"
PACKET = 131072
LOOK_S = 1.0  # how often the lock is looked at
MEMORY_LOOK_S = 0.05
UNLINKED_LOOK_S = 0.5
SCRATCH = "/scratch"  # memory files of all guests; its size is bounded by the kernel, their number by us
SCRATCH_FILES = 10000
PAGE = os.sysconf("SC_PAGE_SIZE")
FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux
ASK_LOCK = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
PR_SET_DUMPABLE = 4
GUEST_NICE = 15


TYPE_CHECKING = False  # "typing" itself is an import to save
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    Message = dict[str, Any]
    Answer = tuple[Message, _socket.socket | None]


class Child:
    """One process the host asked for, with limits of its whole tree in bytes, 0 for none.

    rss: resident memory; unlinked: files that have no name any more and are held all the same.
    """

    def __init__(self, name: str, pid: int, rss: int, unlinked: int, guest: bool) -> None:
        self.name, self.pid, self.rss, self.unlinked, self.guest = name, pid, rss, unlinked, guest
        self.reason = ""
        self.unseen = 0  # looks at its files that were refused, one after the other


class Host:
    """One connection of a host daemon; `known` once it has shown the token."""

    def __init__(self, line: _socket.socket) -> None:
        self.line, self.known = line, False


class Keeper:
    def __init__(self, token: str, grace: float, lock: int) -> None:
        self.token, self.grace, self.lock = token, grace, lock
        self.children: dict[int, Child] = {}  # by pid
        self.hosts: dict[int, Host] = {}  # by descriptor
        self.listening: dict[int, _socket.socket] = {}  # by port
        self.unheld_since: float | None = None
        memory = os.memfd_create("")
        self.memory_device = os.fstat(memory).st_dev  # of files that never had a name
        os.close(memory)
        self.poll = select.poll()
        self.door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self.door.bind(SOCKET_PATH)
        self.door.listen(8)
        self.wake, waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # From inside, process 1 gets only the signals it has a handler for: it is to have none that end it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.poll.register(self.door.fileno(), select.POLLIN)
        self.poll.register(self.wake, select.POLLIN)

    def run(self) -> None:
        """For ever; ends only with the process, and with it everything in the namespace."""
        looked = looked_at_unlinked = 0.0
        unlinked: Iterator[None] | None = None
        while True:
            limited = any(child.rss for child in self.children.values())
            pause_s = 0.0 if unlinked else MEMORY_LOOK_S if limited else LOOK_S
            for descriptor, _ in self.poll.poll(1000 * pause_s):
                self.attend(descriptor)
            if limited:
                self.look_at_memory()
                self.look_at_scratch()
                if unlinked is None and time.monotonic() - looked_at_unlinked >= UNLINKED_LOOK_S:
                    looked_at_unlinked = time.monotonic()
                    unlinked = self.look_at_unlinked()
            if unlinked and not goes_on(unlinked, MEMORY_LOOK_S):
                unlinked = None
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                self.look_at_lock(looked)

    def attend(self, descriptor: int) -> None:
        if descriptor == self.door.fileno():
            accepted, _ = self.door._accept()  # type: ignore[attr-defined]
            host = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, accepted)
            host.setblocking(False)
            self.hosts[accepted] = Host(host)
            self.poll.register(accepted, select.POLLIN)
        elif descriptor == self.wake:
            os.read(self.wake, 512)
            self.reap()
        elif descriptor in self.hosts:
            self.serve(descriptor)

    def serve(self, descriptor: int) -> None:
        """Answer one packet; a host that breaks off or does not know the token is let go."""
        host = self.hosts[descriptor]
        taken: list[int] = []
        try:
            packet, ancillary, _, _ = host.line.recvmsg(PACKET, _socket.CMSG_SPACE(16 * 4))
            for _, kind, data in ancillary:
                if kind == _socket.SCM_RIGHTS:
                    taken += struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4])
            request = json.loads(packet) if packet else {"op": "bye"}
            if request["op"] == "hello" and request.get("token") == self.token:
                host.known = True
            if not host.known or request["op"] == "bye":
                self.part(descriptor)
            else:
                self.answer(host.line, request, taken)
        except (OSError, ValueError, KeyError, TypeError):
            self.part(descriptor)
        finally:
            for one in taken:
                os.close(one)

    def answer(self, line: _socket.socket, request: Message, taken: list[int]) -> None:
        try:
            said, given = getattr(self, "do_" + request["op"])(request, taken)
            said["ok"] = True
        except (OSError, KeyError, ValueError, AttributeError) as error:
            said, given = {"ok": False, "error": str(error)}, None
        said["id"] = request.get("id")
        rights: list[tuple[int, int, bytes]] = []
        if given is not None:
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", given.fileno()))]
        line.sendmsg([json.dumps(said).encode()], rights)

    def part(self, descriptor: int) -> None:
        """Forget a host; when the last one has gone, what it ran for people goes too, services stay."""
        self.poll.unregister(descriptor)
        host = self.hosts.pop(descriptor)
        host.line.close()
        if host.known and not any(other.known for other in self.hosts.values()):
            for child in self.children.values():
                if child.guest:
                    self.send_signal(child.pid, signal.SIGKILL)

    def do_hello(self, request: Message, taken: list[int]) -> Answer:
        return {"children": [child.name for child in self.children.values()]}, None

    def do_spawn(self, request: Message, taken: list[int]) -> Answer:
        if any(child.name == request["name"] for child in self.children.values()):
            raise ValueError("this name is running")
        pid = os.fork()
        if pid == 0:
            self.become(request, taken)
        rss, unlinked = request.get("rss", 0), request.get("unlinked", 0)
        child = Child(request["name"], pid, rss, unlinked, request.get("guest", False))
        self.children[pid] = child
        return {"pid": pid}, None

    def settle(self, guest: bool) -> None:
        """A service has a session of its own; all guests share ours, and with it one share of the processors.

        The kernel divides them by session first (sched(7), the autogroup feature), and the filter lets no
        guest make another one. Within it they come after us; without such a division, after everybody.
        """
        if guest:
            os.setpgid(0, 0)
            os.nice(GUEST_NICE)
        else:
            os.setsid()

    def become(self, request: Message, taken: list[int]) -> NoReturn:
        """In the new process: put the descriptors where they belong, and be the program."""
        try:
            self.settle(request.get("guest", False))
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 100) for one in taken]
            for one, target in zip(high, request["targets"], strict=True):
                os.dup2(one, target)
            keep = set(request["targets"])
            for one in range(3, 100):
                if one not in keep:
                    try:
                        os.close(one)
                    except OSError:
                        pass
            os.execve(request["argv"][0], request["argv"], request["env"])
        except OSError as error:
            os.write(2, f"could not start: {error}\n".encode())
        finally:
            os._exit(127)

    def do_signal(self, request: Message, taken: list[int]) -> Answer:
        """To all processes of a child's tree, or to the one that matters in it."""
        for child in self.children.values():
            if child.name == request["name"]:
                found = family(child.pid, all_below())
                for pid in found if request.get("to") == "all" else heart(found, child.guest):
                    self.send_signal(pid, request["signal"])
        return {}, None

    def do_listen(self, request: Message, taken: list[int]) -> Answer:
        port = request["port"]
        if port not in self.listening:
            door = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            door.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            door.bind(("127.0.0.1", port))
            door.listen(128)
            door.setblocking(False)
            self.listening[port] = door
        return {}, self.listening[port]

    def do_connect(self, request: Message, taken: list[int]) -> Answer:
        """A socket that is connecting: the host waits for it, the keeper never does."""
        line = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        line.setblocking(False)
        try:
            line.connect(("127.0.0.1", request["port"]))
        except BlockingIOError:
            pass
        return {}, line

    def do_exit(self, request: Message, taken: list[int]) -> NoReturn:
        os._exit(0)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self.children.pop(pid, None)
            if child:
                self.end_orphans()
                if child.guest and not any(other.guest for other in self.children.values()):
                    self.tidy()
                self.tell({"event": "exit", "name": child.name, "status": status, "reason": child.reason})

    def end_orphans(self) -> None:
        """End what is left of a child, which is ours now.

        The inner half of a bubblewrap whose outer half is killed before both have met waits for it for ever,
        or goes on without it: it asks only later to be ended with it.
        """
        for pid in all_below().get(os.getpid(), ()):
            if pid not in self.children:
                self.send_signal(pid, signal.SIGKILL)

    def tidy(self) -> None:
        try:
            empty(SCRATCH)
        except OSError:
            os.chdir("/")  # a dying guest was faster; the next end of a program does it again

    def tell(self, event: Message) -> None:
        for descriptor, host in list(self.hosts.items()):
            if host.known:
                try:
                    host.line.sendmsg([json.dumps(event).encode()])
                except OSError:
                    self.part(descriptor)  # it missed an event: it has to come again and ask what lives

    def look_at_memory(self) -> None:
        below = all_below()
        for child in list(self.children.values()):
            if child.rss and sum(map(rss_of, family(child.pid, below))) > child.rss:
                self.end(child, "memory")

    def look_at_scratch(self) -> None:
        """An empty file in memory costs a kilobyte that no size limit counts."""
        seen = os.statvfs(SCRATCH)
        if seen.f_files - seen.f_ffree > SCRATCH_FILES:
            for child in list(self.children.values()):
                if child.guest:
                    self.end(child, "disk")

    def look_at_unlinked(self) -> Iterator[None]:
        """What was removed and is still open or mapped is in no folder, and takes its room all the same.

        Pauses after each process: the maps of many take seconds, in which a program could burst in memory,
        and the host would wait for its answer.
        """
        bounded = os.stat(SCRATCH).st_dev  # by the kernel
        for child in list(self.children.values()):
            if child.unlinked:
                held: dict[tuple[int, int], int] = {}
                is_seen = True
                for pid in family(child.pid, all_below()):
                    is_seen = note_unlinked(pid, held) and is_seen
                    yield
                if self.children.get(child.pid) is not child:
                    continue  # it has ended meanwhile
                child.unseen = 0 if is_seen else child.unseen + 1  # once is a process that begins
                memory = sum(size for (device, _), size in held.items() if device == self.memory_device)
                disk = sum(size for (device, _), size in held.items() if device != bounded) - memory
                if memory > child.rss:
                    self.end(child, "memory")
                elif disk > child.unlinked or child.unseen > 2:
                    self.end(child, "disk")

    def end(self, child: Child, reason: str) -> None:
        child.reason = child.reason or reason
        self.send_signal(child.pid, signal.SIGKILL)

    def look_at_lock(self, now: float) -> None:
        """Leave when nobody has held the site's lock for the grace time."""
        answer = fcntl.fcntl(self.lock, fcntl.F_OFD_GETLK, ASK_LOCK)
        if struct.unpack(FLOCK, answer)[0] != fcntl.F_UNLCK:
            self.unheld_since = None
        elif self.unheld_since is None:
            self.unheld_since = now
        elif now - self.unheld_since >= self.grace:
            os._exit(3)

    def send_signal(self, pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def goes_on(work: Iterator[None], seconds: float) -> bool:
    """Do so much of the work; False once all of it is done."""
    until = time.monotonic() + seconds
    return any(time.monotonic() >= until for _ in work)


def all_below() -> dict[int, list[int]]:
    """The children of every process."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            below.setdefault(parent_of(name), []).append(int(name))
    return below


def family(root: int, below: dict[int, list[int]]) -> list[int]:
    """A process and all below it, parents first; the deepest first child of bubblewrap comes last."""
    found = [root]
    for pid in found:
        found += sorted(below.get(pid, ()))
    return found


def heart(found: list[int], guest: bool) -> list[int]:
    """The process that decides about a child's family.

    Of a guest it is process 1 of its pid namespace, with which the kernel ends whatever it started; of a
    service the program below bubblewrap's monitor.
    """
    return (found[1:2] or found) if guest else found[-1:]


def parent_of(pid: str) -> int:
    """The parent's pid, 0 when the process has gone; the name in brackets may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def rss_of(pid: int) -> int:
    """Resident bytes of a process, 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * PAGE
    except OSError:
        return 0


def note_unlinked(pid: int, held: dict[tuple[int, int], int]) -> bool:
    """Add the files without a name that a process holds, by device and inode; False when it hides them."""
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # a thread may have descriptors of its own
            folder = f"/proc/{pid}/task/{task}/fd"
            for name in os.listdir(folder):
                note_open(f"{folder}/{name}", held)
        with open(f"/proc/{pid}/maps", "rb") as maps:
            for line in maps:
                if line.endswith(b"(deleted)\n"):
                    note_mapped(line, held)
    except PermissionError:
        return False
    except OSError:
        pass  # it has gone
    return True


def note_open(path: str, held: dict[tuple[int, int], int]) -> None:
    try:
        seen = os.stat(path)
    except OSError:
        return
    if seen.st_nlink == 0 and seen.st_mode & 0o170000 == 0o100000:
        place = (seen.st_dev, seen.st_ino)
        held[place] = max(held.get(place, 0), seen.st_blocks * 512)


def note_mapped(line: bytes, held: dict[tuple[int, int], int]) -> None:
    """A line of proc_pid_maps(5); that much of the file may be there."""
    span, _, _, device, inode = line.split(None, 5)[:5]
    begin, end = span.split(b"-")
    major, minor = device.split(b":")
    place = (os.makedev(int(major, 16), int(minor, 16)), int(inode))
    held[place] = max(held.get(place, 0), int(end, 16) - int(begin, 16))


def empty(scratch: str) -> None:
    """Remove all below the two folders in it, step by step: a tree may be deeper than any path is long."""
    for top in ("tmp", "shm"):
        depth = 0
        os.chdir(f"{scratch}/{top}")
        while True:
            below = remove_entries()
            if below:
                enter(below)
                depth += 1
            elif depth:
                os.chdir("..")
                depth -= 1
            else:
                break
    os.chdir("/")


def enter(folder: str) -> None:
    """Go into a folder whatever its rights, but never through a link that took its place."""
    descriptor = os.open(folder, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY)
    os.chmod(f"/proc/self/fd/{descriptor}", 0o700)
    os.fchdir(descriptor)
    os.close(descriptor)


def remove_entries() -> str:
    """Remove what can be from the working folder; the name of one folder that has to be emptied first."""
    for name in os.listdir("."):
        try:
            os.unlink(name)
        except OSError:
            try:
                os.rmdir(name)
            except OSError:
                return name
    return ""


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.umask(0o077)
    told = json.loads(sys.stdin.buffer.readline())
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    Keeper(told["token"], told["grace"], told["lock"]).run()


main()
