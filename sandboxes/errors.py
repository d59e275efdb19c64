"""What can go wrong with a sandbox, one small tree; each error says what its reader should do next."""


class SandboxError(Exception):
    """The root. `sentence` is written for the student."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class IllegalMove(SandboxError):
    """The lifecycle has no such edge: a mistake of ours, never of the student."""


class NotReady(SandboxError):
    """The sandbox has no Kafka to talk to just now; asking again later may help."""


class NoSuchSandbox(NotReady):
    """It was deleted, or never was: asking again will not help."""


class NotPossibleNow(SandboxError):
    """The wish makes no sense in the present state (wake a sandbox that is not asleep)."""


class LeaseLost(SandboxError):
    """Another worker may hold the row now: stop at once, write nothing."""


class TooOften(SandboxError):
    """Asked more often than allowed. retry_after_s: whole seconds until the next one is accepted."""

    def __init__(self, sentence: str, *, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s
