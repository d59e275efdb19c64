"""What many ask at the same moment, answered together.

In a rush each question costs its own few queries, and dozens of threads fight for the interpreter to ask
them. Here whoever comes first is answered at once, and those who come meanwhile wait for one of them to
answer all: nobody waits for a clock, and the more come, the less each costs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class _Asked(Generic[Question, Answer]):
    """A question on its way; answer and error are set once, by whichever thread answers."""

    __slots__ = ("answer", "error", "is_done", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.is_done = False


class Gathered(Generic[Question, Answer]):
    """`answer_all` is given questions, one or many, and gives an answer for each, in the same order.

    It runs in the thread of one who asks, and never twice at a time.
    """

    def __init__(self, answer_all: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self._answer_all = answer_all
        self._waiting: deque[_Asked[Question, Answer]] = deque()
        self._turn = threading.Lock()

    def ask(self, question: Question) -> Answer:
        """Raises what `answer_all` raises when it is asked this question alone."""
        mine: _Asked[Question, Answer] = _Asked(question)
        self._waiting.append(mine)
        with self._turn:
            if not mine.is_done:
                self._answer(self._taken())
        if mine.error is not None:
            raise mine.error
        return mine.answer  # type: ignore[return-value]  # None only where that is the answer

    def _taken(self) -> list[_Asked[Question, Answer]]:
        """All that wait now; more may come at any time."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _answer(self, asked: list[_Asked[Question, Answer]]) -> None:
        """Together; what is wrong with one of them is found by asking each alone."""
        try:
            answers = self._answer_all([one.question for one in asked])
        except Exception as error:  # noqa: BLE001  it belongs to whoever asked, in another thread
            if len(asked) > 1:
                for one in asked:
                    self._answer([one])
            else:
                asked[0].error, asked[0].is_done = error, True
            return
        for one, answer in zip(asked, answers, strict=True):
            one.answer, one.is_done = answer, True
