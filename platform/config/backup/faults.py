"""What can be wrong with a backup, as a sentence and the next step."""


class BackupFault(Exception):
    """A backup could not be made or put back. `sentence` says why, `next_step` what to do about it."""

    def __init__(self, sentence: str, next_step: str) -> None:
        super().__init__(f"{sentence} {next_step}")
        self.sentence = sentence
        self.next_step = next_step
