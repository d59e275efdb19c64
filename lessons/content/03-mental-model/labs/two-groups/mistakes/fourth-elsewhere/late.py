"""A service that was written next year and wants the whole story."""

from reader import follow

follow("late")
