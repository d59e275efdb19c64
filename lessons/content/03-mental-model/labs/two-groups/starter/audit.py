"""The audit service: writes everything down, in peace."""

from reader import follow

follow("readers")  # TODO: a reader is known by its group
