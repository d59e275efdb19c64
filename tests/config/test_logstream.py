"""Log lines come out whole and in order, and nobody waits for somebody else's to be written."""

import io
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from config import logstream
from config.logstream import LogStream

PATIENCE_S = 60


class Slow(io.StringIO):
    """Its first write lasts until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_end = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        if not self.begun.is_set():
            self.begun.set()
            assert self.may_end.wait(PATIENCE_S)
        return super().write(text)


@contextmanager
def logger_on(stream: io.StringIO) -> Iterator[Callable[[str], None]]:
    logger, handler = logging.getLogger("of-this-test"), LogStream(stream)
    logger.setLevel("INFO")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger.info
    logger.removeHandler(handler)


def test_a_line_is_there_as_soon_as_it_is_logged() -> None:
    stream = io.StringIO()
    with logger_on(stream) as say:
        say("one")
        assert stream.getvalue() == "one\n"
        say("two")
        assert stream.getvalue() == "one\ntwo\n"


def test_nobody_waits_while_somebody_else_writes_and_no_line_is_lost() -> None:
    stream = Slow()
    with logger_on(stream) as say:
        writer = threading.Thread(target=say, args=("first",))
        writer.start()
        assert stream.begun.wait(PATIENCE_S)

        others = [threading.Thread(target=say, args=(f"line {number}",)) for number in range(5)]
        for other in others:
            other.start()
            other.join(PATIENCE_S)
        assert not any(other.is_alive() for other in others)
        assert stream.getvalue() == ""

        stream.may_end.set()
        writer.join(PATIENCE_S)
    assert stream.getvalue().splitlines() == ["first", *(f"line {number}" for number in range(5))]


def test_lines_of_many_threads_are_whole_and_each_threads_are_in_order() -> None:
    stream = io.StringIO()
    with logger_on(stream) as say, ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda who: [say(f"{who} {number}") for number in range(200)], range(16)))

    lines = [tuple(map(int, line.split())) for line in stream.getvalue().splitlines()]
    by_thread = sorted(lines, key=lambda line: line[0])  # which leaves each thread's in their order
    assert by_thread == [(who, number) for who in range(16) for number in range(200)]


def test_a_stream_that_fails_fails_nobody_and_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        is_full = True

        def write(self, text: str) -> int:
            if self.is_full:
                raise OSError("no space left")
            return super().write(text)

    stream = Full()
    with logger_on(stream) as say:
        say("lost")
        stream.is_full = False
        say("written")

    assert stream.getvalue() == "written\n"
    assert "no space left" in capsys.readouterr().err


def test_a_turn_that_fails_loses_no_line_that_came_while_it_was_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class FailsOnce(Slow):
        failed = False

        def write(self, text: str) -> int:
            super().write("")
            if not self.failed:
                self.failed = True
                raise OSError("no space left")
            return super().write(text)

    stream = FailsOnce()
    with logger_on(stream) as say:
        writer = threading.Thread(target=say, args=("lost",))
        writer.start()
        assert stream.begun.wait(PATIENCE_S)
        say("came meanwhile")
        stream.may_end.set()
        writer.join(PATIENCE_S)

    assert stream.getvalue() == "came meanwhile\n"
    assert "no space left" in capsys.readouterr().err


def test_very_many_lines_left_to_one_who_cannot_write_hold_up_whoever_brings_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logstream, "MOST_LEFT", 3)
    stream = Slow()
    with logger_on(stream) as say:
        writer = threading.Thread(target=say, args=("first",))
        writer.start()
        assert stream.begun.wait(PATIENCE_S)
        for number in range(3):
            say(f"line {number}")
        held_up = threading.Thread(target=say, args=("one too many",))
        held_up.start()
        held_up.join(0.3)
        assert held_up.is_alive()

        stream.may_end.set()
        held_up.join(PATIENCE_S)
        writer.join(PATIENCE_S)
    assert stream.getvalue().splitlines() == ["first", "line 0", "line 1", "line 2", "one too many"]
