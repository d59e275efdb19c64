"""A service that was written next year and wants the whole story."""

from reader import follow

follow("readers")  # TODO: a reader is known by its group
