"""The notification service: several copies share the work."""

from reader import follow

follow("notify")
