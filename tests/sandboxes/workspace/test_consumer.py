"""The workspace's websocket, spoken to like a browser does."""

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client

from accounts import sockets
from accounts.models import User
from sandboxes import provisioning, services
from sandboxes.models import Sandbox
from sandboxes.routing import websocket_urlpatterns
from sandboxes.workspace import consumer
from tests.sandboxes.driving import ready_sandbox, settle

pytestmark = pytest.mark.django_db(transaction=True)

application: Any = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))


class Browser:
    """A tab of one user, with their session cookie."""

    def __init__(self, user: User | None, sandbox_id: object) -> None:
        headers = []
        if user is not None:
            client = Client()
            client.force_login(user)
            headers = [(b"cookie", f"millrace-session={client.cookies['millrace-session'].value}".encode())]
        self.socket = WebsocketCommunicator(application, f"/ws/workspace/{sandbox_id}/", headers=headers)

    async def open(self) -> "Browser":
        connected, _ = await self.socket.connect()
        assert connected
        return self

    async def say(self, **asked: object) -> None:
        await self.socket.send_to(text_data=json.dumps(asked))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of this kind; others are passed over."""
        while True:
            frame: dict[str, Any] = json.loads(await self.socket.receive_from(timeout=5))
            if frame["kind"] == kind:
                return frame

    async def code(self) -> int:
        """The code that the socket is closed with."""
        while True:
            output = await self.socket.receive_output(timeout=8)
            if output["type"] == "websocket.close":
                return int(output["code"])


@pytest.fixture
def sandbox(ada: User) -> Sandbox:
    return ready_sandbox(ada)


@pytest.fixture
def hello(sandbox: Sandbox) -> str:
    path = "first-events/producer.py"
    provisioning.workspace(sandbox).write_file(path, "print('\\x1b[31mhello\\x1b[2J')")
    return path


async def browser(user: User | None, sandbox_id: object) -> Browser:
    return await (await sync_to_async(Browser)(user, sandbox_id)).open()


async def test_a_program_runs_and_its_output_arrives_in_colour_and_nothing_else(
    ada: User, sandbox: Sandbox, hello: str
) -> None:
    tab = await browser(ada, sandbox.pk)
    assert (await tab.hear("programs"))["programs"] == []

    await tab.say(op="follow", after=0)
    await tab.say(op="run", path=hello, args=[], label="one")

    start, output, end = await tab.hear("start"), await tab.hear("output"), await tab.hear("exit")
    assert (start["run"]["path"], start["run"]["label"]) == (hello, "one")
    assert output["text"] == "\x1b[31mhello\n"
    assert end["run"]["exit_code"] == 0
    assert start["seq"] < output["seq"] < end["seq"]
    await tab.socket.disconnect()


async def test_a_second_tab_sees_what_was_before_and_a_returning_one_only_what_it_missed(
    ada: User, sandbox: Sandbox, hello: str
) -> None:
    first = await browser(ada, sandbox.pk)
    await first.say(op="follow", after=0)
    await first.say(op="run", path=hello, args=[], label="")
    seen = (await first.hear("output"))["seq"]
    await first.socket.disconnect()

    second = await browser(ada, sandbox.pk)
    assert len((await second.hear("programs"))["programs"]) == 1
    await second.say(op="follow", after=seen)

    assert json.loads(await second.socket.receive_from(timeout=5))["kind"] == "exit"
    await second.socket.disconnect()


async def test_a_program_is_stopped_and_killed(ada: User, sandbox: Sandbox) -> None:
    await sync_to_async(provisioning.workspace(sandbox).write_file)("loop.py", "while True: pass")
    tab = await browser(ada, sandbox.pk)
    await tab.say(op="follow", after=0)

    for how, signal in (("stop", 15), ("kill", 9)):
        await tab.say(op="run", path="loop.py", args=[], label="")
        program = (await tab.hear("start"))["program"]
        await tab.say(op=how, program=program)
        assert (await tab.hear("exit"))["run"]["signal"] == signal
    await tab.socket.disconnect()


async def test_what_cannot_be_run_is_a_sentence_and_the_socket_stays_open(
    ada: User, sandbox: Sandbox
) -> None:
    tab = await browser(ada, sandbox.pk)

    await tab.say(op="run", path="nowhere.py", args=[], label="")

    assert "no file called nowhere.py" in (await tab.hear("error"))["sentence"]
    await tab.socket.disconnect()


async def test_a_sleeping_sandbox_says_so(ada: User, sandbox: Sandbox, hello: str) -> None:
    await sync_to_async(services.stop_sandbox)(sandbox)
    await sync_to_async(settle)(sandbox)
    tab = await browser(ada, sandbox.pk)

    await tab.say(op="run", path=hello, args=[], label="")

    assert "Press Start" in (await tab.hear("error"))["sentence"]
    await tab.socket.disconnect()


async def test_a_stranger_is_closed_with_4401(sandbox: Sandbox) -> None:
    assert await (await browser(None, sandbox.pk)).code() == sockets.SIGNED_OUT


async def test_edsger_is_closed_with_4403(edsger: User, sandbox: Sandbox) -> None:
    assert await (await browser(edsger, sandbox.pk)).code() == sockets.FORBIDDEN


async def test_a_sandbox_that_never_was_is_closed_with_4404(ada: User) -> None:
    assert await (await browser(ada, Sandbox().pk)).code() == sockets.NO_SUCH


async def test_signing_out_closes_the_socket_within_seconds(
    ada: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "RECHECK_S", 0.1)
    tab = await browser(ada, sandbox.pk)

    await sync_to_async(Session.objects.all().delete)()

    assert await tab.code() == sockets.SIGNED_OUT


async def test_signing_out_stops_the_very_next_request(ada: User, sandbox: Sandbox, hello: str) -> None:
    tab = await browser(ada, sandbox.pk)
    await sync_to_async(Session.objects.all().delete)()

    await tab.say(op="run", path=hello, args=[], label="")

    assert await tab.code() == sockets.SIGNED_OUT
    assert await sync_to_async(provisioning.workspace(sandbox).programs)() == ()


@pytest.mark.parametrize(
    "frame",
    ["[]", "5", "nonsense", '{"op": 5}', '{"op": "launch"}', '{"op": "run", "path": 5}', "[" * 4000,
     '{"op": "run", "path": "a.py", "args": "-x"}', json.dumps({"op": "follow", "after": "x" * 4096})],
)  # fmt: skip
async def test_a_bad_frame_closes_the_socket(ada: User, sandbox: Sandbox, frame: str) -> None:
    tab = await browser(ada, sandbox.pk)

    await tab.socket.send_to(text_data=frame)

    assert await tab.code() == sockets.BAD_FRAME


async def test_a_browser_that_does_not_keep_up_is_told_to_come_back(
    ada: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "OUTBOUND_FRAMES", 8)
    monkeypatch.setattr(consumer, "SLOW_S", 0.2)
    blocked = asyncio.Event()

    async def never(self: object) -> None:
        await blocked.wait()

    monkeypatch.setattr(consumer.WorkspaceConsumer, "_write", never)
    lines = "\n".join(f"print('{number}')" for number in range(50))
    await sync_to_async(provisioning.workspace(sandbox).write_file)("many.py", lines)
    tab = await browser(ada, sandbox.pk)

    await tab.say(op="follow", after=0)
    await tab.say(op="run", path="many.py", args=[], label="")

    assert await tab.code() == sockets.SLOW


async def test_a_long_past_is_told_whole_however_fast_it_comes(
    ada: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "OUTBOUND_FRAMES", 8)
    lines = "\n".join(f"print('{number}')" for number in range(200))
    await sync_to_async(provisioning.workspace(sandbox).write_file)("many.py", lines)
    tab = await browser(ada, sandbox.pk)
    await tab.say(op="run", path="many.py", args=[], label="")
    await tab.say(op="follow", after=0)

    told = ""
    while "199" not in told:
        told += (await tab.hear("output"))["text"]

    assert told.split() == [str(number) for number in range(200)]
    await tab.socket.disconnect()


@pytest.mark.logs("workspace.look")
async def test_a_database_that_is_busy_once_does_not_end_the_watch_over_the_session(
    ada: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "RECHECK_S", 0.1)
    tab = await browser(ada, sandbox.pk)
    refusals = iter([OperationalError("database is locked")])
    looked = consumer.WorkspaceConsumer._refusal

    def busy_once(self: consumer.WorkspaceConsumer) -> int:
        for error in refusals:
            raise error
        return looked(self)

    monkeypatch.setattr(consumer.WorkspaceConsumer, "_refusal", busy_once)
    await sync_to_async(Session.objects.all().delete)()

    assert await tab.code() == sockets.SIGNED_OUT
