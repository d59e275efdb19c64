"""What every backend promises, as tests: subclass `BackendContract` and give it a `backend` fixture.

    class TestMemoryBackend(BackendContract):
        @pytest.fixture
        def backend(self) -> Backend:
            return MemoryBackend()

Programs used here print literals or loop for ever, so that a backend which only pretends can keep up.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from sandboxes.backends.base import (
    PROGRAMS_MAX,
    Backend,
    BackendError,
    Fault,
    FileConflict,
    FileMissing,
    FileRefused,
    Observation,
    Phase,
    ProgramEvent,
    ProgramRun,
    Spec,
    Workspace,
    WorkspaceError,
)

HELLO = 'print("hello")\n'
FOR_EVER = 'import time\nprint("begun")\nwhile True:\n    time.sleep(0.05)\n'
BROKEN = "print(\n"


def wait_until(true: Callable[[], bool], within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def until_phase(backend: Backend, sandbox_id: str, phase: Phase) -> Observation:
    """Ask again until the phase is seen; what was seen then."""
    wait_until(lambda: backend.observe(sandbox_id).phase is phase)
    return backend.observe(sandbox_id)


def until_ended(workspace: Workspace, program_id: str) -> ProgramRun:
    def found() -> ProgramRun:
        return next(run for run in workspace.programs() if run.program_id == program_id)

    wait_until(lambda: not found().running, 20)
    return found()


def events_until_exit(workspace: Workspace, program_id: str, *, after: int = 0) -> list[ProgramEvent]:
    """A program's events up to its end."""

    async def collect() -> list[ProgramEvent]:
        seen = []
        async with contextlib.aclosing(workspace.follow(after=after)) as events:  # type: ignore[type-var]
            async for event in events:
                if event.program_id == program_id:
                    seen.append(event)
                    if event.kind == "exit":
                        break
        return seen

    return asyncio.run(asyncio.wait_for(collect(), 20))


class BackendContract:
    @pytest.fixture
    def backend(self) -> Backend:
        raise NotImplementedError

    @pytest.fixture
    def running(self, backend: Backend) -> Iterator[str]:
        """The id of a running sandbox."""
        sandbox_id = uuid.uuid4().hex
        backend.ensure(Spec(sandbox_id=sandbox_id))
        until_phase(backend, sandbox_id, Phase.RUNNING)
        yield sandbox_id
        backend.destroy(sandbox_id)
        wait_until(lambda: backend.destroy(sandbox_id).phase is Phase.ABSENT, 20)

    # Life

    def test_ensure_does_not_wait(self, backend: Backend) -> None:
        sandbox_id = uuid.uuid4().hex
        began = time.monotonic()
        seen = backend.ensure(Spec(sandbox_id=sandbox_id))
        took_s = time.monotonic() - began
        backend.destroy(sandbox_id)

        assert took_s < 1
        assert seen.phase in (Phase.STARTING, Phase.RUNNING)
        assert seen.endpoint is None or seen.phase is Phase.RUNNING

    def test_a_running_sandbox_has_an_endpoint_and_its_node(self, backend: Backend, running: str) -> None:
        seen = backend.observe(running)

        assert seen.endpoint is not None
        assert seen.endpoint.cluster_id
        assert seen.endpoint.password not in repr(seen)
        assert [(node.node_id, node.role, node.running) for node in seen.nodes] == [(1, "combined", True)]
        assert (seen.stage, seen.cause, seen.frozen) == ("", "", False)

    def test_ensure_twice_is_ensure_once(self, backend: Backend, running: str) -> None:
        before = backend.observe(running)

        again = backend.ensure(Spec(sandbox_id=running))

        assert again == before
        assert backend.inventory().count(running) == 1

    def test_an_unknown_sandbox_is_absent(self, backend: Backend) -> None:
        assert backend.observe(uuid.uuid4().hex).phase is Phase.ABSENT

    def test_destroying_the_absent_is_silent(self, backend: Backend) -> None:
        assert backend.destroy(uuid.uuid4().hex).phase is Phase.ABSENT

    def test_a_destroyed_sandbox_is_gone_from_the_inventory(self, backend: Backend, running: str) -> None:
        assert running in backend.inventory()

        wait_until(lambda: backend.destroy(running).phase is Phase.ABSENT, 20)

        assert running not in backend.inventory()

    def test_a_starting_sandbox_can_be_destroyed(self, backend: Backend) -> None:
        sandbox_id = uuid.uuid4().hex
        backend.ensure(Spec(sandbox_id=sandbox_id))

        wait_until(lambda: backend.destroy(sandbox_id).phase is Phase.ABSENT, 20)

        assert sandbox_id not in backend.inventory()

    def test_an_unknown_profile_is_refused_with_a_sentence(self, backend: Backend) -> None:
        with pytest.raises(BackendError) as refused:
            backend.ensure(Spec(sandbox_id=uuid.uuid4().hex, profile="kafka-99"))

        assert refused.value.sentence.endswith(".")
        assert not refused.value.retryable

    def test_freeze_and_thaw_are_idempotent(self, backend: Backend, running: str) -> None:
        backend.freeze(running)
        assert backend.freeze(running).frozen

        backend.thaw(running)
        assert not backend.thaw(running).frozen

        assert backend.observe(running).phase is Phase.RUNNING

    def test_a_suspended_sandbox_stops_and_comes_back_as_the_same_cluster(
        self, backend: Backend, running: str
    ) -> None:
        before = backend.observe(running).endpoint
        backend.suspend(running)
        assert until_phase(backend, running, Phase.STOPPED).endpoint is None
        assert running in backend.inventory()

        backend.resume(running)

        after = until_phase(backend, running, Phase.RUNNING).endpoint
        assert before is not None
        assert after is not None
        assert after.cluster_id == before.cluster_id

    def test_a_suspended_sandbox_can_be_destroyed(self, backend: Backend, running: str) -> None:
        backend.suspend(running)

        wait_until(lambda: backend.destroy(running).phase is Phase.ABSENT, 20)

        assert running not in backend.inventory()

    @pytest.mark.parametrize("call", ["freeze", "thaw", "suspend", "resume"])
    def test_a_call_about_an_absent_sandbox_makes_nothing(self, backend: Backend, call: str) -> None:
        sandbox_id = uuid.uuid4().hex

        assert getattr(backend, call)(sandbox_id).phase is Phase.ABSENT
        assert sandbox_id not in backend.inventory()

    # All at once

    def test_one_look_sees_what_observing_each_sees(self, backend: Backend, running: str) -> None:
        assert dict(backend.look())[running] == backend.observe(running)
        assert set(backend.look()) == set(backend.inventory())

    def test_looking_at_a_frozen_sandbox_leaves_it_frozen(self, backend: Backend, running: str) -> None:
        backend.freeze(running)

        assert backend.look()[running].frozen
        assert backend.observe(running).frozen

    def test_usage_tells_of_every_running_sandbox(self, backend: Backend, running: str) -> None:
        wait_until(lambda: running in backend.usage(), 15)
        used = backend.usage()[running]

        assert used.memory_bytes > 10 * 1024 * 1024
        assert used.cpu_s > 0
        assert used.disk_bytes > 0
        assert used.processes >= 1

    def test_usage_says_nothing_of_what_has_no_processes(self, backend: Backend, running: str) -> None:
        backend.suspend(running)
        until_phase(backend, running, Phase.STOPPED)

        wait_until(lambda: running not in backend.usage(), 15)

    def test_there_is_room_for_so_many_more(self, backend: Backend) -> None:
        assert backend.room() >= 0

    # Proof

    def test_a_running_sandbox_answers_and_is_proven(self, backend: Backend, running: str) -> None:
        backend.prove(running)
        backend.prove(running)

        assert backend.answers(running)
        assert backend.in_use(running) == ""

    def test_a_frozen_sandbox_does_not_answer_until_it_is_thawed(
        self, backend: Backend, running: str
    ) -> None:
        backend.freeze(running)
        frozen = backend.answers(running)

        backend.thaw(running)

        assert not frozen
        assert backend.answers(running)

    def test_what_is_not_there_neither_answers_nor_is_proven(self, backend: Backend) -> None:
        sandbox_id = uuid.uuid4().hex

        assert not backend.answers(sandbox_id)
        with pytest.raises(BackendError):
            backend.prove(sandbox_id)

    # Faults

    @pytest.mark.parametrize("kind", ["broker_stop", "broker_kill"])
    def test_a_broker_that_was_taken_away_is_given_back(
        self, backend: Backend, running: str, kind: str
    ) -> None:
        fault = Fault(kind=kind)  # type: ignore[arg-type]
        backend.inject(running, fault)
        backend.inject(running, fault)
        wait_until(lambda: not backend.observe(running).nodes[0].running, 20)
        assert backend.observe(running).phase is not Phase.RUNNING

        backend.undo(running, fault)
        backend.undo(running, fault)

        assert until_phase(backend, running, Phase.RUNNING).nodes[0].running

    def test_undoing_a_fault_of_an_absent_sandbox_is_silent(self, backend: Backend) -> None:
        backend.undo(uuid.uuid4().hex, Fault(kind="cut"))

    # Files

    def test_the_client_properties_are_there_from_the_start(self, backend: Backend, running: str) -> None:
        text = backend.workspace(running).read_file("kafka.properties").text

        assert "bootstrap.servers=localhost:9092\n" in text
        assert "security.protocol=PLAINTEXT\n" in text

    def test_a_file_is_read_as_it_was_written(self, backend: Backend, running: str) -> None:
        workspace = backend.workspace(running)
        text = "grüße = '☃'\n" * 1000

        info = workspace.write_file("first-events/producer.py", text)

        read = workspace.read_file("first-events/producer.py")
        assert (read.text, read.version) == (text, info.version)
        assert info.size == len(text.encode())
        assert info in workspace.list_files()

    def test_a_stale_write_is_a_conflict_that_names_the_version_there(
        self, backend: Backend, running: str
    ) -> None:
        workspace = backend.workspace(running)
        first = workspace.write_file("a.py", "one\n")
        second = workspace.write_file("a.py", "two\n", base_version=first.version)

        with pytest.raises(FileConflict) as conflict:
            workspace.write_file("a.py", "three\n", base_version=first.version)

        assert conflict.value.version == second.version
        assert workspace.read_file("a.py").text == "two\n"
        assert workspace.write_file("a.py", "four\n").version != second.version

    def test_a_deleted_file_is_missing(self, backend: Backend, running: str) -> None:
        workspace = backend.workspace(running)
        workspace.write_file("a.py", "one\n")
        workspace.delete_file("a.py")
        workspace.delete_file("a.py")

        with pytest.raises(FileMissing):
            workspace.read_file("a.py")

    @pytest.mark.parametrize("path", ["/etc/passwd", "../up.py", "a/../../up.py", "", "a\0b", "folder/"])
    def test_a_path_out_of_the_workspace_is_refused(self, backend: Backend, running: str, path: str) -> None:
        workspace = backend.workspace(running)

        with pytest.raises(FileRefused):
            workspace.read_file(path)
        with pytest.raises(FileRefused):
            workspace.write_file(path, "x")

    def test_a_file_over_the_limit_is_refused(self, backend: Backend, running: str) -> None:
        with pytest.raises(FileRefused):
            backend.workspace(running).write_file("big.txt", "x" * (256 * 1024 + 1))

    def test_files_survive_a_suspend(self, backend: Backend, running: str) -> None:
        backend.workspace(running).write_file("kept.py", HELLO)
        backend.suspend(running)
        until_phase(backend, running, Phase.STOPPED)

        assert backend.workspace(running).read_file("kept.py").text == HELLO

    # Programs

    def test_a_program_prints_and_ends(self, backend: Backend, running: str) -> None:
        workspace = backend.workspace(running)
        workspace.write_file("hello.py", HELLO)

        run = workspace.start_program(path="hello.py", args=("--fast",), label="greeting")

        ended = until_ended(workspace, run.program_id)
        assert (ended.exit_code, ended.signal, ended.reason) == (0, None, "")
        assert (ended.path, ended.args, ended.label) == ("hello.py", ("--fast",), "greeting")
        events = events_until_exit(workspace, run.program_id)
        assert "".join(event.text for event in events) == "hello\n"
        assert [events[0].kind, events[-1].kind] == ["start", "exit"]
        assert events[-1].run == ended

    def test_a_follower_gets_what_came_after_its_last_event(self, backend: Backend, running: str) -> None:
        workspace = backend.workspace(running)
        workspace.write_file("hello.py", HELLO)
        run = workspace.start_program(path="hello.py")
        events = events_until_exit(workspace, run.program_id)

        later = events_until_exit(workspace, run.program_id, after=events[0].seq)

        assert later == events[1:]
        assert [event.seq for event in events] == sorted({event.seq for event in events})

    def test_a_program_that_does_not_parse_fails(self, backend: Backend, running: str) -> None:
        workspace = backend.workspace(running)
        workspace.write_file("broken.py", BROKEN)

        run = workspace.start_program(path="broken.py")

        assert until_ended(workspace, run.program_id).exit_code == 1
        said = "".join(event.text for event in events_until_exit(workspace, run.program_id))
        assert "SyntaxError" in said

    @pytest.mark.parametrize(
        ("call", "signal", "reason"), [("stop_program", 15, "stopped"), ("kill_program", 9, "killed")]
    )
    def test_a_program_is_ended_on_request(
        self, backend: Backend, running: str, call: str, signal: int, reason: str
    ) -> None:
        workspace = backend.workspace(running)
        workspace.write_file("loop.py", FOR_EVER)
        run = workspace.start_program(path="loop.py")
        time.sleep(0.2)

        getattr(workspace, call)(run.program_id)

        ended = until_ended(workspace, run.program_id)
        assert (ended.exit_code, ended.signal, ended.reason) == (None, signal, reason)
        getattr(workspace, call)(run.program_id)

    def test_only_so_many_programs_run_at_once(self, backend: Backend, running: str) -> None:
        workspace = backend.workspace(running)
        workspace.write_file("loop.py", FOR_EVER)
        runs = [workspace.start_program(path="loop.py") for _ in range(PROGRAMS_MAX)]

        with pytest.raises(WorkspaceError) as refused:
            workspace.start_program(path="loop.py")

        assert str(PROGRAMS_MAX) in refused.value.sentence
        for run in runs:
            workspace.kill_program(run.program_id)
        assert [until_ended(workspace, run.program_id).signal for run in runs] == [9] * PROGRAMS_MAX

    def test_a_missing_program_cannot_be_started(self, backend: Backend, running: str) -> None:
        with pytest.raises(FileMissing):
            backend.workspace(running).start_program(path="nowhere.py")

    def test_a_suspend_ends_the_programs(self, backend: Backend, running: str) -> None:
        workspace = backend.workspace(running)
        workspace.write_file("loop.py", FOR_EVER)
        run = workspace.start_program(path="loop.py")

        backend.suspend(running)

        assert until_ended(workspace, run.program_id).reason == "sandbox_ended"
