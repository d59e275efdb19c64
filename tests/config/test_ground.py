"""Each thing that can be wrong with a machine is one plain sentence and a next step."""

import errno
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import paths
from config.install import faults, ground, interpreter
from config.install.faults import SetupFault
from sandboxes.backends.local import interpreter as local_interpreter

SMALL_DISK = """
import sys
import tempfile
from pathlib import Path
from config import paths
from config.install import faults, ground
place = Path(sys.argv[1])
try:
    ground.check_disk(place / "data")
except faults.SetupFault as fault:
    print(fault.sentence)
try:
    (place / "file").write_bytes(bytes(2_000_000))
except OSError as error:
    print(faults.from_os_error(error).sentence)
"""


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_in_use_is_named_with_another_to_try(taken_port: int) -> None:
    with pytest.raises(SetupFault) as fault:
        ground.check_port("127.0.0.1", taken_port)
    assert fault.value.sentence == f"Port {taken_port} is in use by another program."
    assert f"make up PORT={taken_port + 1}" in fault.value.next_step


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(SetupFault, match=r"cannot listen on 192\.0\.2\.1"):
        ground.check_port("192.0.2.1", 8000)


def test_a_free_port_is_free_again_after_the_look() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ground.check_port("127.0.0.1", port)
    ground.check_port("127.0.0.1", port)


def test_a_full_disk_is_told_with_both_figures(tmp_path: Path) -> None:
    with pytest.raises(SetupFault) as fault:
        ground.check_disk(tmp_path / "not" / "yet", free=lambda _: 200_000_000)
    assert "needs 1.5 GB" in fault.value.sentence
    assert "0.2 GB are free" in fault.value.sentence


def test_a_disk_that_is_really_too_small_is_found(tmp_path: Path) -> None:
    """On a file system of one megabyte, which root of a mount namespace may make for itself."""
    script = (
        f"mount -t tmpfs -o size=1m none {tmp_path} && exec {sys.executable} -c {shlex.quote(SMALL_DISK)}"
    )
    argv = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f"{script} {tmp_path}"]
    env = {**os.environ, "PYTHONPATH": str(paths.BASE_DIR / "platform")}
    told = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == [
        f"Set-up needs 1.5 GB on the disk of {tmp_path}; 0.0 GB are free.",
        "The disk filled up while set-up was writing.",
    ]


def test_a_python_without_its_venv_parts_is_told_what_to_install() -> None:
    with pytest.raises(SetupFault, match="apt install python3") as fault:
        ground.check_venv(find=lambda module: module != "ensurepip")
    assert "cannot make virtual environments" in fault.value.sentence


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "riscv64")])
def test_a_machine_that_cannot_run_sandboxes_is_refused(system: str, machine: str) -> None:
    with pytest.raises(SetupFault):
        ground.check_platform(system, machine)


def test_root_is_told_which_folder_hides_the_project() -> None:
    # Not below tmp_path: pytest closes the folders above it whenever a worker first needs one.
    with tempfile.TemporaryDirectory() as top:
        hidden = Path(top) / "home"
        (hidden / "millrace").mkdir(parents=True)
        Path(top).chmod(0o755)
        hidden.chmod(0o700)
        with pytest.raises(SetupFault) as fault:
            ground.check_reach(hidden / "millrace", uid=0, mounts=lambda: False)
    assert f"cannot enter {hidden}." in fault.value.sentence
    assert f"chmod o+x {hidden}" in fault.value.next_step


def test_a_private_project_is_fine_where_the_host_may_mount(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    ground.check_reach(tmp_path, uid=0, mounts=lambda: True)


def test_an_ordinary_user_may_keep_the_project_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    ground.check_reach(tmp_path, uid=1000, mounts=lambda: False)


def test_root_is_told_when_a_strict_umask_hid_our_files(tmp_path: Path) -> None:
    file = tmp_path / "manage.py"
    file.write_text("")
    file.chmod(0o600)
    with pytest.raises(SetupFault, match=f"chmod -R o\\+rX {tmp_path}"):
        ground.check_readable(file, uid=0)


def test_set_up_installs_packages_for_the_python_that_sandboxes_run() -> None:
    chosen, run = interpreter.student_python(), local_interpreter.find()

    assert run is not None
    assert chosen == (run.prefix / "bin" / Path(run.inside).name if run.prefix else Path(run.inside))


def test_programs_get_an_interpreter_that_everybody_may_run() -> None:
    python = interpreter.student_python()
    assert interpreter.open_to_all(python.resolve())


def test_a_folder_we_may_not_write_is_named() -> None:
    fault = faults.from_os_error(PermissionError(errno.EACCES, "Permission denied", "/srv/x"))
    assert fault is not None
    assert "may not write /srv/x" in fault.sentence


def test_an_error_we_did_not_foresee_is_not_explained_away() -> None:
    assert faults.from_os_error(OSError(errno.EIO, "Input/output error")) is None
