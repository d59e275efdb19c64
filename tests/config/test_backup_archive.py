"""The archive: what goes in comes out, a damaged one is refused, and a student's tricks lead nowhere."""

import gzip
import io
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from config import paths
from config.backup import archive
from config.backup.archive import Writer, unpack
from config.backup.faults import BackupFault
from config.backup.manifest import Manifest


def manifest(writer: Writer) -> Manifest:
    return Manifest(
        made_at="2026-11-02T10:31:07+00:00",
        version="0.1.0",
        as_root=os.geteuid() == 0,
        migrations={"sandboxes": ["0001"]},
        sandboxes=["1f3a"],
        left_out={},
        files=writer.files,
    )


def packed(folder: Path, to: Path) -> Path:
    writer = Writer(to)
    writer.add_tree(folder, "sandboxes", without=frozenset({"run"}))
    writer.finish(manifest(writer))
    return to


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A sandbox's folder with what a student may have made in it."""
    home = tmp_path / "home"
    (home / "data" / "deep" / "empty").mkdir(parents=True)
    (home / "data" / "00000.log").write_bytes(os.urandom(3_000_000))
    (home / "data" / "nothing").touch()
    (home / "work ä").mkdir()
    (home / "work ä" / "main.py").write_text("print('ada')\n")
    (home / "work ä" / "main.py").chmod(0o640)
    (home / "run").mkdir()
    (home / "run" / "state").write_text("of the moment")
    return home


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_what_goes_in_comes_out(home: Path, tmp_path: Path, target: Path) -> None:
    told = unpack(packed(home, tmp_path / "a.tar.gz"), target)

    before = {name: what for name, what in contents(home).items() if not name.startswith("run")}
    assert contents(target / "sandboxes") == before
    assert (target / "sandboxes" / "work ä" / "main.py").stat().st_mode & 0o777 == 0o640
    assert told.sandboxes == ["1f3a"]


def test_any_tar_can_list_it_and_only_its_owner_can_read_it(home: Path, tmp_path: Path) -> None:
    made = packed(home, tmp_path / "a.tar.gz")

    with tarfile.open(made) as tar:
        assert "sandboxes/work ä/main.py" in tar.getnames()
    assert made.stat().st_mode & 0o777 == 0o600


def test_until_it_is_finished_there_is_no_archive(home: Path, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.tar.gz")
    writer.add_tree(home, "sandboxes", without=frozenset())
    assert not (tmp_path / "a.tar.gz").exists()

    writer.give_up()
    assert list(tmp_path.glob("a.tar.gz*")) == []


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_one_that_was_cut_off_is_refused(home: Path, tmp_path: Path, target: Path, share: float) -> None:
    made = packed(home, tmp_path / "a.tar.gz")
    whole = made.read_bytes()
    made.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(BackupFault, match="is damaged or was cut off"):
        unpack(made, target)


def test_one_in_which_a_bit_turned_is_refused(home: Path, tmp_path: Path, target: Path) -> None:
    """Also where the compression's own checksum is right: packed anew after the change."""
    made = packed(home, tmp_path / "a.tar.gz")
    plain = bytearray(gzip.decompress(made.read_bytes()))
    at = plain.index(b"print('ada')")
    plain[at] ^= 1
    made.write_bytes(gzip.compress(bytes(plain), 1))

    with pytest.raises(BackupFault, match="is damaged"):
        unpack(made, target)


def test_one_that_is_not_there_is_said_to_be_missing(tmp_path: Path, target: Path) -> None:
    for path in (tmp_path / "none.tar.gz", tmp_path):
        with pytest.raises(BackupFault, match="There is no archive at"):
            archive.unpack(path, target)


def test_a_link_is_kept_and_never_followed(home: Path, tmp_path: Path, target: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    (home / "work ä" / "out").symlink_to(secret)
    (home / "work ä" / "up").symlink_to("../../..")
    (home / "work ä" / "gone").symlink_to("/nowhere/at/all")

    made = packed(home, tmp_path / "a.tar.gz")
    unpack(made, target)

    assert b"canary" not in gzip.decompress(made.read_bytes())
    assert (target / "sandboxes" / "work ä" / "out").readlink() == secret
    assert not (target / "sandboxes" / "work ä" / "gone").exists()


def test_pipes_and_sockets_are_left_out_and_stop_nothing(home: Path, tmp_path: Path, target: Path) -> None:
    os.mkfifo(home / "data" / "pipe")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(home / "data" / "door"))
        unpack(packed(home, tmp_path / "a.tar.gz"), target)

    names = {path.name for path in (target / "sandboxes" / "data").iterdir()}
    assert names == {"00000.log", "deep", "nothing"}


def test_folders_without_end_are_cut(home: Path, tmp_path: Path, target: Path) -> None:
    here = Path.cwd()
    os.chdir(home / "data")
    try:
        for _ in range(1500):  # deeper than Python's stack, longer than any path may be
            Path("deeper").mkdir()
            os.chdir("deeper")
    finally:
        os.chdir(here)

    told = unpack(packed(home, tmp_path / "a.tar.gz"), target)

    assert "sandboxes/work ä/main.py" in told.files
    for place in (home, target):  # pytest itself could not
        subprocess.run(["rm", "-rf", str(place)], check=True)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "sandboxes/../../outside", "way/outside"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, target: Path, name: str) -> None:
    made, outside = tmp_path / "a.tar.gz", tmp_path / "elsewhere"
    outside.mkdir()
    with tarfile.open(made, "w:gz") as tar:
        way = tarfile.TarInfo("way")
        way.type, way.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(way)
        entry = tarfile.TarInfo(name)
        entry.size = 6
        tar.addfile(entry, io.BytesIO(b"canary"))

    with pytest.raises(BackupFault, match="is damaged"):
        unpack(made, target)
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_a_file_that_shrinks_meanwhile_spoils_only_itself(home: Path, tmp_path: Path, target: Path) -> None:
    big = home / "data" / "00000.log"

    def shrink() -> None:
        with big.open("r+b") as file:
            file.truncate(1000)

    writer = Writer(tmp_path / "a.tar.gz")
    with pytest.raises(OSError, match="became shorter"):
        writer.add(big, "sandboxes.log", tick=shrink)
    writer.add(home / "work ä" / "main.py", "main.py")
    writer.finish(manifest(writer))

    told = unpack(tmp_path / "a.tar.gz", target)

    assert set(told.files) == {"main.py"}
    assert (target / "main.py").read_text() == "print('ada')\n"


ORDINARY = """
import os, sys
sys.path[:0] = sys.argv[1:3]
import encodings.idna
from pathlib import Path
from config.backup.archive import Writer, unpack
from tests.config.test_backup_archive import manifest
if os.geteuid() == 0:  # imported first: the interpreter may lie where only root can read
    os.setgroups([]); os.setgid(54321); os.setuid(54321)
folder = Path(sys.argv[3])
(folder / "shut").mkdir()
(folder / "shut" / "file").write_text("mine")
(folder / "shut" / "file").chmod(0)
(folder / "shut").chmod(0)
writer = Writer(folder.parent / "b.tar.gz")
writer.add_tree(folder, "home", without=frozenset())
writer.finish(manifest(writer))
target = folder.parent / "back"
target.mkdir()
unpack(folder.parent / "b.tar.gz", target)
for place in (folder / "shut", target / "home" / "shut"):
    assert place.stat().st_mode & 0o777 == 0, place
    place.chmod(0o700)
    assert (place / "file").stat().st_mode & 0o777 == 0, place
    (place / "file").chmod(0o600)
    assert (place / "file").read_text() == "mine"
"""


def test_an_ordinary_user_can_read_what_a_student_has_shut(tmp_path: Path) -> None:
    """As root the same is run under a user that may not read everything."""
    place = tmp_path / "place" / "home"
    place.mkdir(parents=True)
    for folder in (place, place.parent):
        folder.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder not in {Path("/"), Path("/tmp")}:
            folder.chmod(folder.stat().st_mode | 0o011)
    roots = (str(paths.BASE_DIR / "platform"), str(paths.BASE_DIR))
    argv = [sys.executable, "-c", ORDINARY, *roots, str(place)]
    place_of_none = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, env=place_of_none)

    assert done.returncode == 0, done.stderr


def test_the_limit_of_a_name_leaves_room_for_the_place_it_is_put_back_to() -> None:
    assert os.pathconf("/", "PC_PATH_MAX") > archive._NAME_BYTES + 1000
