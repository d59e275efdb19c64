"""The parts of the local backend that need no sandbox: settings, filter, commands, records, files, relay."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandboxes.backends.base import FileConflict, FileMissing, FileRefused, ProgramRun
from sandboxes.backends.local import bubblewrap, files, history, kafka, records, seccomp
from sandboxes.backends.local.events import EventRing
from sandboxes.backends.local.relay import Mode, Relay, listen

# Kafka's settings


def properties(name: str, node_id: int, *, crashed: bool = False) -> dict[str, str]:
    profile = kafka.PROFILES[name]
    text = kafka.server_properties(
        profile, profile.node(node_id), platform_address="127.20.0.7", password="s3cret", crashed=crashed
    )
    return dict(line.split("=", 1) for line in text.splitlines())


def test_a_broker_advertises_the_students_and_the_platforms_way_in() -> None:
    advertised = properties("kafka-1", 1)["advertised.listeners"].split(",")

    assert advertised[:2] == ["CLIENT://localhost:9092", "PLATFORM://127.20.0.7:19092"]


def test_all_ports_lie_below_the_ephemeral_range() -> None:
    for profile in kafka.PROFILES.values():
        for node in profile.nodes:
            ports = re.findall(r":(\d+)", properties(profile.name, node.node_id)["listeners"])
            assert ports
            assert all(1024 < int(port) < 32768 for port in ports)


@pytest.mark.parametrize(("profile", "copies"), [("kafka-1", "1"), ("kafka-3", "3")])
def test_internal_topics_have_as_many_copies_as_there_are_brokers(profile: str, copies: str) -> None:
    settings = properties(profile, 1)

    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        assert settings[f"{topic}.replication.factor"] == copies


def test_a_sandbox_forgets_nothing_while_it_sleeps() -> None:
    settings = properties("kafka-1", 1)

    assert settings["log.retention.ms"] == "-1"
    assert int(settings["offsets.retention.minutes"]) > 5 * 365 * 24 * 60
    assert settings["auto.create.topics.enable"] == "false"


def test_a_frozen_broker_keeps_its_session_and_a_killed_one_gets_a_new_one_soon() -> None:
    assert int(properties("kafka-1", 1)["broker.session.timeout.ms"]) == 24 * 60 * 60 * 1000
    assert int(properties("kafka-1", 1, crashed=True)["broker.session.timeout.ms"]) <= 5000


def test_a_controller_serves_no_clients() -> None:
    settings = properties("kafka-3", 100)

    assert settings["listeners"].startswith("CONTROLLER://")
    assert "advertised.listeners" not in settings
    assert not any("jaas" in name for name in settings)


def test_a_password_that_could_end_its_quotes_is_refused() -> None:
    profile = kafka.PROFILES["kafka-1"]

    with pytest.raises(ValueError, match="letters and digits"):
        kafka.server_properties(profile, profile.nodes[0], platform_address="127.20.0.7", password='x" y="z')


def test_a_node_gets_a_log_directory_with_an_identity_of_its_own(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "meta.properties").write_text("version=1\ncluster.id=old\nnode.id=1\ndirectory.id=old\n")
    (template / "bootstrap.checkpoint").write_bytes(b"features")

    kafka.clone_template(template, tmp_path / "log", cluster_id="new", node_id=2)

    lines = (tmp_path / "log" / "meta.properties").read_text().splitlines()
    assert lines[:3] == ["version=1", "cluster.id=new", "node.id=2"]
    assert "old" not in lines[3]
    assert (tmp_path / "log" / "bootstrap.checkpoint").read_bytes() == b"features"


def test_a_cluster_id_looks_like_kafkas_own() -> None:
    for _ in range(200):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", kafka.new_cluster_id())


# The filter and the commands


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_a_valid_program(machine: str) -> None:
    steps = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))

    assert len(steps) < 4096  # BPF_MAXINSNS
    for place, (code, yes, no, _) in enumerate(steps):
        if code & 7 == 5:
            assert place + 1 + max(yes, no) < len(steps)
    assert steps[-1] == (0x06, 0, 0, 0x7FFF0000)


def test_every_tmpfs_has_a_size() -> None:
    parts = example_parts()
    outer = bubblewrap.outer(parts, run=Path("/r"), data=Path("/d"), work=Path("/w"), info_fd=5)
    inner = bubblewrap.inner(parts, example_process())

    for words in (outer, inner):
        for place, word in enumerate(words):
            if word == "--tmpfs":
                assert words[place - 2] == "--size"
                assert int(words[place - 1]) > 0


def test_the_root_is_read_only_after_all_mounts() -> None:
    words = bubblewrap.inner(example_parts(), example_process())

    last = len(words) - words[::-1].index("--remount-ro")
    assert words[last] == "/"
    assert not {"--bind", "--tmpfs", "--dir", "--ro-bind"} & set(words[last : words.index("--")])


def test_an_untrusted_process_never_gets_the_keepers_view() -> None:
    words = bubblewrap.inner(example_parts(), example_process())

    assert "/run/k" not in words
    assert "--seccomp" in words
    assert "--disable-userns" in words
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert "--clearenv" in words


def example_parts() -> bubblewrap.Parts:
    from sandboxes.backends.local.interpreter import Interpreter

    here = Path("/here")
    return bubblewrap.Parts(
        bwrap=here / "bwrap",
        bwrap_libs=here / "libs",
        java_home=here / "jre",
        jars=here / "jars",
        site=here / "site",
        aot_cache=None,
        etc=here / "etc",
        code=here / "code",
        interpreter=Interpreter(inside="/opt/python/bin/python3.12", prefix=Path("/home/someone/python")),
    )


def example_process() -> bubblewrap.Inner:
    return bubblewrap.Inner(
        mounts=(bubblewrap.Mount("/workspace", "/workspace", writable=True),),
        environment={"PATH": "/usr/bin"},
        limits={"nproc": 64},
        directory="/workspace",
        command=("/usr/bin/python3", "program.py"),
        own_pids=True,
        control=True,
        scratch=True,
    )


def test_an_interpreter_outside_usr_is_bound_at_one_place_on_both_levels() -> None:
    parts = example_parts()
    outer = bubblewrap.outer(parts, run=Path("/r"), data=Path("/d"), work=Path("/w"), info_fd=5)
    inner = bubblewrap.inner(parts, example_process())

    assert outer[outer.index("/home/someone/python") + 1] == "/opt/python"
    assert inner[inner.index("/opt/python") + 1] == "/opt/python"


# Records


def test_a_record_is_found_again_as_it_was_saved(tmp_path: Path) -> None:
    home = records.Home(tmp_path)
    record = records.new_record(sandbox_id="a" * 32, profile="kafka-1", generation=3, number=0x140007)
    record.faults = [records.HeldFault(kind="latency", node=1, ms=200)]

    records.save(home, record)

    assert records.load(home) == record
    assert home.state.stat().st_mode & 0o777 == 0o600
    assert record.address == "127.20.0.7"
    assert record.password not in repr(record)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sandbox_id": "a"}', '{"faults": 3}'])
def test_a_damaged_record_is_no_record(tmp_path: Path, text: str) -> None:
    home = records.Home(tmp_path)
    home.state.write_text(text)

    assert records.load(home) is None


def test_a_process_that_has_gone_has_no_start_time() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

    assert records.process_start(child) == 0
    assert records.process_start(os.getpid()) > 0


# Files


def test_names_that_would_hide_or_confuse_are_refused(tmp_path: Path) -> None:
    for path in (".hidden", "a/.b", "-flag", "a//b", "a\nb", "é.py", "x" * 101, "a/b/c/d/e/f/g"):
        with pytest.raises(FileRefused):
            files.write_file(tmp_path, path, "", base_version=None, owner=None)


def test_a_file_that_was_deleted_meanwhile_is_a_conflict(tmp_path: Path) -> None:
    info = files.write_file(tmp_path, "a.py", "one", base_version=None, owner=None)
    files.delete_file(tmp_path, "a.py")

    with pytest.raises(FileConflict) as conflict:
        files.write_file(tmp_path, "a.py", "two", base_version=info.version, owner=None)

    assert conflict.value.version == ""


def test_a_large_file_is_listed_but_not_opened(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 300_000)

    assert [(info.path, info.size, info.version) for info in files.list_files(tmp_path)] == [
        ("big", 300_000, "")
    ]
    with pytest.raises(FileRefused):
        files.read_file(tmp_path, "big")


def test_a_folder_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "work" / "lab").symlink_to(tmp_path / "outside")

    with pytest.raises(FileRefused):
        files.write_file(tmp_path / "work", "lab/a.py", "x", base_version=None, owner=None)
    with pytest.raises(FileRefused):
        files.read_file(tmp_path / "work", "lab/a.py")
    assert not list((tmp_path / "outside").iterdir())


def test_bytes_that_are_no_text_are_shown_with_replacements(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"a\xffb")

    assert files.read_file(tmp_path, "raw").text == "a\ufffdb"


def test_an_absent_folder_makes_a_file_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        files.read_file(tmp_path, "nowhere/a.py")
    files.delete_file(tmp_path, "nowhere/a.py")


# What programs said


async def test_the_ring_forgets_the_oldest_first() -> None:
    numbers = iter(range(1, 1000))
    ring = EventRing(2000, lambda: next(numbers))
    for number in range(10):
        ring.add("p", "output", text=str(number) * 300)

    remembered = []
    async for event in ring.follow(0):
        remembered.append(event.seq)
        if event.seq == 10:
            break

    assert remembered == [7, 8, 9, 10]


async def test_a_follower_that_falls_behind_is_let_go_and_the_ring_stays_bounded() -> None:
    numbers = iter(range(1, 100_000))
    ring = EventRing(2000, lambda: next(numbers))
    follower = ring.follow(0)
    ring.add("p", "output", text="first")
    first = await anext(follower)
    for _ in range(5000):
        ring.add("p", "output", text="more")

    rest = [event.seq async for event in follower]

    assert first.seq == 1
    assert rest == list(range(2, 2 + len(rest)))
    assert len(rest) < 2100


def test_the_history_survives_and_stays_short(tmp_path: Path) -> None:
    path = tmp_path / "programs.jsonl"
    kept = history.History(path)
    for number in range(1200):
        kept.put(ProgramRun(program_id=str(number), path="a.py", args=("x",), started_at=1.0))
    with path.open("a") as stream:
        stream.write('{"program_id": "cut sho')

    again = history.History(path).runs()

    assert [run.program_id for run in again] == [str(number) for number in range(1000, 1200)]
    assert again[-1].args == ("x",)
    assert len(path.read_text().splitlines()) <= 1001


# The relay, between plain sockets


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Relay, int]]:
    """A relay before a server that answers every line with itself."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def dial() -> socket.socket:
        line = socket.create_connection(("127.0.0.1", port))
        line.setblocking(False)
        return line

    door = listen("127.0.0.1", 0)
    at = door.getsockname()[1]
    relay = Relay(door, dial)
    yield relay, at
    await relay.close()
    server.close()


async def ask(port: int, text: bytes = b"hello\n") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        return await asyncio.wait_for(reader.readline(), 1)
    finally:
        writer.close()


async def test_a_faithful_relay_changes_nothing(echo: tuple[Relay, int]) -> None:
    _, port = echo
    big = b"x" * 60_000 + b"\n"

    assert await ask(port) == b"hello\n"
    assert await ask(port, big) == big


async def test_a_cut_resets_connections_old_and_new(echo: tuple[Relay, int]) -> None:
    relay, port = echo
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"a\n")
    await reader.readline()

    relay.set_mode(Mode(cut=True))

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 1)
    with pytest.raises(ConnectionResetError):
        await ask(port)
    writer.close()
    relay.set_mode(Mode())
    assert await ask(port) == b"hello\n"


async def test_dropped_responses_never_come_and_spoil_their_connection(echo: tuple[Relay, int]) -> None:
    relay, port = echo
    relay.set_mode(Mode(drop_responses=True))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"lost\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), 0.2)

    relay.set_mode(Mode())

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 1)
    writer.close()


async def test_late_responses_keep_their_order_when_the_latency_ends(echo: tuple[Relay, int]) -> None:
    relay, port = echo
    relay.set_mode(Mode(latency_ms=200))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = asyncio.get_running_loop().time()
    writer.write(b"first\n")
    await asyncio.sleep(0.05)
    relay.set_mode(Mode())
    writer.write(b"second\n")

    said = [await reader.readline(), await reader.readline()]

    assert said == [b"first\n", b"second\n"]
    assert asyncio.get_running_loop().time() - began >= 0.19
    writer.close()


async def test_a_reader_that_stops_stops_its_writer(echo: tuple[Relay, int]) -> None:
    _, port = echo
    line = socket.create_connection(("127.0.0.1", port))
    line.setblocking(False)
    sent = 0
    for _ in range(1500):
        try:
            sent += line.send((b"x" * 999 + b"\n") * 64)
        except BlockingIOError:
            await asyncio.sleep(0.001)
    line.close()

    assert sent < 40_000_000  # of 96 MB; what the kernel's own buffers hold
