"""What members of classic groups hold, whoever wrote it: the broker passes an assignment on unread."""

from collections.abc import Sequence

from sandboxes.wire.groups import DescribedGroup, assigned_in, describe_classic
from sandboxes.wire.primitives import NO_TAGS, NULL, Reader, array, blob, i16, i32, old_string, string

# What the leader of a group sent as a member's assignment, though it is none of the consumer protocol.
FOREIGN = (b"\x00\x00\xff", b"{}", b"\x00", bytes(6) + b"\xff" * 20)


def assignment(*entries: tuple[str, Sequence[int]]) -> bytes:
    """As consumers write it (ConsumerProtocolAssignment.json): version, topics, user data."""
    topics = b"".join(old_string(name) + old_array(numbers) for name, numbers in entries)
    return i16(1) + i32(len(entries)) + topics + i32(-1)


def old_array(numbers: Sequence[int]) -> bytes:
    return i32(len(numbers)) + b"".join(map(i32, numbers))


def member(name: str, held: bytes) -> bytes:
    return (
        string(name)
        + NULL
        + string("client")
        + string("/10.0.0.1")
        + blob(b"subscribed")
        + blob(held)
        + NO_TAGS
    )


def described(*members: bytes) -> DescribedGroup:
    """A group as a broker describes it (DescribeGroupsResponse.json)."""
    states = string("readers") + string("Stable") + string("consumer") + string("sticky")
    group = i16(0) + states + array(list(members)) + i32(0) + NO_TAGS
    (found,) = describe_classic(["readers"]).read(Reader(i32(0) + array([group]) + NO_TAGS))
    return found


def test_a_topic_that_comes_in_several_runs_is_held_with_all_its_partitions() -> None:
    """As librdkafka writes what its cooperative-sticky assignor did not sort."""
    runs = assignment(("orders", [1, 3]), ("payments", [0]), ("orders", [0]), ("payments", [0, 2]))

    assert assigned_in(runs) == {"orders": (0, 1, 3), "payments": (0, 2)}


def test_an_assignment_of_another_kind_costs_its_member_only() -> None:
    for foreign in FOREIGN:
        found = described(member("ours", assignment(("orders", [2, 0]))), member("theirs", foreign))

        assert [(m.member, m.assigned) for m in found.members] == [
            ("ours", {"orders": (0, 2)}),
            ("theirs", {}),
        ]
