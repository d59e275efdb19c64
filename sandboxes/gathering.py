"""What many ask at the same moment, answered together.

In a rush each question costs its own few queries, and dozens of threads fight for the interpreter to ask
them. Here whoever comes first is answered at once, and those who come meanwhile wait for one of them to
answer all: nobody waits for a clock, and the more come, the less each costs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class _Asked(Generic[Question, Answer]):
    """A question on its way; answer or error is there once `is_done`.

    turn: set when there is an answer, or when it is for this one's thread to answer.
    """

    __slots__ = ("answer", "error", "is_done", "question", "turn")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.is_done = False
        self.turn = threading.Event()


class Gathered(Generic[Question, Answer]):
    """`answer_all` is given questions, one or many, and gives an answer for each, in the same order.

    It runs in the thread of one who asks, and never twice at a time.

    of_all: errors that have nothing to do with a question, so that nobody is asked for again, alone: a
    database that is away would make each wait for its time-out in turn.
    """

    def __init__(
        self,
        answer_all: Callable[[Sequence[Question]], Sequence[Answer]],
        *,
        of_all: tuple[type[Exception], ...] = (),
    ) -> None:
        self._answer_all, self._of_all = answer_all, of_all
        self._lock = threading.Lock()  # for the two below, never while somebody answers
        self._waiting: list[_Asked[Question, Answer]] = []
        self._is_answering = False

    def ask(self, question: Question) -> Answer:
        """Raises what `answer_all` raises when it is asked this question alone, or one of `of_all`."""
        mine: _Asked[Question, Answer] = _Asked(question)
        with self._lock:
            self._waiting.append(mine)
            waits, self._is_answering = self._is_answering, True
        if waits:
            mine.turn.wait()
        if not mine.is_done:
            self._answer_those_who_wait()
        if mine.error is not None:
            raise mine.error
        return mine.answer  # type: ignore[return-value]  # None only where that is the answer

    def _answer_those_who_wait(self) -> None:
        """Then the first of those who came meanwhile goes on at once, before anybody is told an answer."""
        with self._lock:
            asked, self._waiting = self._waiting, []
        try:
            self._answer(asked)
        finally:
            with self._lock:
                heirs = self._waiting[:1]
                self._is_answering = bool(heirs)
            for one in (*heirs, *asked):
                one.turn.set()

    def _answer(self, asked: Sequence[_Asked[Question, Answer]]) -> None:
        """Together; what is wrong with one of them is found by asking each alone."""
        try:
            answers = self._answer_all([one.question for one in asked])
            told = list(zip(asked, answers, strict=True))
        except BaseException as error:  # noqa: BLE001  it belongs to whoever asked, in another thread
            if len(asked) > 1 and not isinstance(error, self._of_all):
                for one in asked:
                    self._answer([one])
            else:
                for one in asked:
                    one.error, one.is_done = error, True
            return
        for one, answer in told:
            one.answer, one.is_done = answer, True
