"""The system call filter of everything untrusted in a sandbox, as classic BPF; pure, no library.

A deny list: what is refused gives access to other processes, to mounts and namespaces, to the kernel's rarely
used corners, or to hardware. Measured not to disturb the JVM, CPython or librdkafka.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

# linux/audit.h
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

# linux/bpf_common.h and linux/seccomp.h
_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24  # offsets in struct seccomp_data; low words, both are little-endian

# CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_SOCKET_FAMILIES = (1, 2, 10, 16)  # UNIX, INET, INET6, NETLINK
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

# name: (x86_64, aarch64); None where the machine has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "mseal": (462, 462),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setsid": (112, 157),  # a new session would be a new share of the processors
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
    "vmsplice": (278, 75),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IOCTL = {"x86_64": 16, "aarch64": 29}


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction; `yes` and `no` count the instructions to skip."""

    code: int
    value: int
    yes: int = 0
    no: int = 0

    def packed(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.yes, self.no, self.value)


def machine_is_known(machine: str | None = None) -> bool:
    """True where we know the numbers of the calls."""
    return (machine or platform.machine()) in _AUDIT_ARCH


def program(machine: str | None = None) -> bytes:
    """The filter for bubblewrap's --seccomp; KeyError on a machine whose call numbers we do not know."""
    name = machine or platform.machine()
    column = 0 if name == "x86_64" else 1
    steps = [_Step(_LOAD, _ARCH), _Step(_JUMP_EQ, _AUDIT_ARCH[name], yes=1), _Step(_RETURN, _KILL)]
    steps.append(_Step(_LOAD, _NR))
    if name == "x86_64":
        steps += [_Step(_JUMP_GE, _X32_BIT, no=1), _refuse(errno.EPERM)]
    # glibc falls back to clone(), whose flags can be seen here; those of clone3 are behind a pointer.
    steps += [_Step(_JUMP_EQ, _CLONE3, no=1), _refuse(errno.ENOSYS)]
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            steps += [_Step(_JUMP_EQ, number, no=1), _refuse(errno.EPERM)]
    steps += _on(
        _CLONE[name], [_Step(_LOAD, _ARG0), _Step(_JUMP_SET, _NAMESPACES, no=1), _refuse(errno.EPERM)]
    )
    steps += _on(_IOCTL[name], [_Step(_LOAD, _ARG1), *_refuse_values(_TERMINAL_INJECTION)])
    steps += _on(_SOCKET[name], [_Step(_LOAD, _ARG0), *_allow_values(_SOCKET_FAMILIES)])
    steps.append(_Step(_RETURN, _ALLOW))
    return b"".join(step.packed() for step in steps)


def _refuse(number: int) -> _Step:
    return _Step(_RETURN, _ERRNO | number)


def _on(call: int, steps: list[_Step]) -> list[_Step]:
    """Run steps for one call and then allow it; skip them all for another."""
    block = [*steps, _Step(_RETURN, _ALLOW)]
    return [_Step(_JUMP_EQ, call, no=len(block)), *block]


def _refuse_values(values: tuple[int, ...]) -> list[_Step]:
    return [step for value in values for step in (_Step(_JUMP_EQ, value, no=1), _refuse(errno.EPERM))]


def _allow_values(values: tuple[int, ...]) -> list[_Step]:
    allowed = [step for value in values for step in (_Step(_JUMP_EQ, value, no=1), _Step(_RETURN, _ALLOW))]
    return [*allowed, _refuse(errno.EAFNOSUPPORT)]
