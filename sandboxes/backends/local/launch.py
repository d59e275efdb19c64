"""Last step into a sandbox: set the limits, then become the process or wait for it. Standard library only.

    launch.py LIMITS [CONTROL] -- PROGRAM ARGUMENT...

LIMITS reads nproc=64,core=0 by the names of resource.RLIMIT_*. The limits are set here, inside the
innermost user namespace, because the kernel counts processes per user namespace: set any earlier, the count
would be that of the host's user.

With CONTROL, the number of a socket, the program is a child: "T" on the socket ends it with SIGTERM, the
socket's end kills it, and "exit N" or "signal N" is written when it is over. bubblewrap itself cannot tell an
exit code above 128 from a signal.
"""

import os
import resource
import select
import signal
import sys


def set_limits(text: str) -> None:
    """Set soft and hard limits alike, so that nothing inside can raise them."""
    for pair in text.split(","):
        name, value = pair.split("=")
        soft = hard = int(value)
        if name == "cpu":
            hard += 1  # SIGXCPU first, so that one can tell why it ended
        resource.setrlimit(getattr(resource, "RLIMIT_" + name.upper()), (soft, hard))


def become(program: list[str]) -> None:
    """Replace this process; Python ignores two signals that a program expects at their default."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execv(program[0], program)


def watch(child: int, control: int) -> int:
    """Obey the control socket until the child has ended; returns its wait status."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        for descriptor, _ in poll.poll():
            if descriptor == wake:
                os.read(wake, 64)
            else:
                asked = os.read(control, 1)
                os.kill(child, signal.SIGTERM if asked else signal.SIGKILL)


def main() -> None:
    split = sys.argv.index("--")
    set_limits(sys.argv[1])
    program = sys.argv[split + 1 :]
    if split == 2:
        become(program)
    control = int(sys.argv[2])
    child = os.fork()
    if child == 0:
        os.close(control)
        become(program)
    status = watch(child, control)
    signalled = os.WIFSIGNALED(status)
    said = f"signal {os.WTERMSIG(status)}" if signalled else f"exit {os.WEXITSTATUS(status)}"
    try:
        os.write(control, said.encode())
    finally:
        os._exit(0)


main()
