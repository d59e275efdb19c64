"""The audit service: writes everything down, in peace."""

from reader import follow

follow("audit")
