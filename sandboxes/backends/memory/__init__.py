"""A backend that only pretends: sandboxes are entries in a dictionary and start at a set pace.

For tests, screenshots and work on pages. There is no Kafka behind it. It knows nothing of the database.
"""

from sandboxes.backends.memory.backend import MemoryBackend

__all__ = ["MemoryBackend"]
