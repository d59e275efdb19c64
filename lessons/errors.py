"""What can go wrong between a student and a lab; each sentence says what to do next."""


class LessonError(Exception):
    """The root. `sentence` is written for the student."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotNow(LessonError):
    """The wish makes no sense at the moment; trying later, or something else first, may help."""
