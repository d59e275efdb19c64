"""Jars: what arrives is what the lock promises, or nothing is kept and a sentence says why.

jgo talks to a small Maven repository of ours over real HTTP, named to it by its own settings file.
"""

import gc
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from config.install import maven
from config.install.faults import SetupFault
from config.install.maven import Jar

GOOD = b"the jar as it was locked"


class Repository:
    """A Maven repository of plain files that notes what was asked for and can be told to misbehave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.broken_answers = 0

    def add(self, artifact: str, content: bytes = GOOD) -> Jar:
        place = self.folder / "org" / "example" / artifact / "1.0"
        place.mkdir(parents=True)
        (place / f"{artifact}-1.0.jar").write_bytes(content)
        digest = hashlib.sha256(GOOD).hexdigest()
        return Jar(
            group="org.example",
            artifact=artifact,
            version="1.0",
            classifier="",
            sha256=digest,
            size=len(GOOD),
        )


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, repository: Repository, *args: object) -> None:
        self.repository = repository
        super().__init__(*args, directory=str(repository.folder))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.repository.asked.append(self.path)
        if self.path.endswith(".jar") and self.repository.broken_answers:
            self.repository.broken_answers -= 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"half of the j")
            return
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    folder.mkdir()
    repository = Repository(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, repository)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        point_jgo_at(server.server_port, tmp_path, monkeypatch)
        yield repository
        server.shutdown()


def point_jgo_at(port: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = folder / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_jars_arrive_whole_and_readable_for_everybody(repository: Repository, tmp_path: Path) -> None:
    jars = [repository.add(f"part-{number}") for number in range(12)]
    maven.fetch_all(jars, tmp_path / "kafka")
    assert not maven.missing(tuple(jars), tmp_path / "kafka")
    assert {path.read_bytes() for path in (tmp_path / "kafka").iterdir()} == {GOOD}
    assert all(path.stat().st_mode & 0o044 for path in (tmp_path / "kafka").iterdir())


def test_nothing_is_left_beside_the_jars(repository: Repository, tmp_path: Path) -> None:
    jar = repository.add("part")
    maven.fetch_all([jar], tmp_path / "kafka")
    assert [path.name for path in (tmp_path / "kafka").iterdir()] == ["part-1.0.jar"]


def test_a_download_that_broke_once_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    jar = repository.add("part")
    repository.broken_answers = 1
    maven.fetch_all([jar], tmp_path / "kafka")
    assert (tmp_path / "kafka" / jar.filename).read_bytes() == GOOD


def test_a_download_that_stays_broken_is_not_kept(repository: Repository, tmp_path: Path) -> None:
    jar = repository.add("part", content=b"something else altogether!!")
    with pytest.raises(SetupFault) as fault:
        maven.fetch_all([jar], tmp_path / "kafka")
    assert "part-1.0.jar does not have the content that the lock file promises" in fault.value.sentence
    assert [path.endswith(".jar") for path in repository.asked].count(True) == 2
    assert not list((tmp_path / "kafka").iterdir())


# jgo leaves the refused answer's connection for the garbage collector to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_jar_that_the_repository_lacks_is_named(repository: Repository, tmp_path: Path) -> None:
    jar = repository.add("part")
    (repository.folder / "org/example/part/1.0/part-1.0.jar").unlink()
    with pytest.raises(SetupFault, match=r"has no part-1\.0\.jar"):
        maven.fetch_all([jar], tmp_path / "kafka")
    gc.collect()


def test_without_a_network_the_sentence_speaks_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_jgo_at(9, tmp_path, monkeypatch)  # discard: nobody listens
    jar = Jar(group="org.example", artifact="part", version="1.0", classifier="", sha256="", size=1)
    with pytest.raises(SetupFault) as fault:
        maven.fetch_all([jar], tmp_path / "kafka")
    assert fault.value.sentence == "The Maven repository could not be reached."
    assert "Check the network" in fault.value.next_step
    assert "setup.log" in fault.value.next_step


def test_only_what_is_missing_is_asked_for(repository: Repository, tmp_path: Path) -> None:
    jars = tuple(repository.add(f"part-{number}") for number in range(3))
    maven.fetch_all(list(jars[:2]), tmp_path / "kafka")
    assert maven.missing(jars, tmp_path / "kafka") == [jars[2]]
