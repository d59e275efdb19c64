"""What members of classic groups hold, whoever wrote it: the broker passes an assignment on unread."""

from collections.abc import Sequence

from sandboxes.wire.groups import assigned_in
from sandboxes.wire.primitives import i16, i32, old_string


def assignment(*entries: tuple[str, Sequence[int]]) -> bytes:
    """As consumers write it (ConsumerProtocolAssignment.json): version, topics, user data."""
    topics = b"".join(old_string(name) + old_array(numbers) for name, numbers in entries)
    return i16(1) + i32(len(entries)) + topics + i32(-1)


def old_array(numbers: Sequence[int]) -> bytes:
    return i32(len(numbers)) + b"".join(map(i32, numbers))


def test_a_topic_that_comes_in_several_runs_is_held_with_all_its_partitions() -> None:
    """As librdkafka writes what its cooperative-sticky assignor did not sort."""
    runs = assignment(("orders", [1, 3]), ("payments", [0]), ("orders", [0]), ("payments", [0, 2]))

    assert assigned_in(runs) == {"orders": (0, 1, 3), "payments": (0, 2)}
