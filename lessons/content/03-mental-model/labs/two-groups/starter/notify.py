"""The notification service: several copies share the work."""

from reader import follow

follow("readers")  # TODO: a reader is known by its group
