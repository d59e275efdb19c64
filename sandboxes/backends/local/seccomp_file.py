"""The system call filter as a descriptor, fresh for every process: bubblewrap reads it from its position."""

from __future__ import annotations

import os
from functools import cache

from sandboxes.backends.local import seccomp


@cache
def _program() -> bytes:
    return seccomp.program()


def filter_descriptor() -> int:
    """A descriptor the caller owns, at the start of the filter."""
    descriptor = os.memfd_create("filter", os.MFD_CLOEXEC)
    os.write(descriptor, _program())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
