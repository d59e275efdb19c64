"""What can go wrong on the wire, and the broker's error codes that we act upon."""


class WireError(Exception):
    """A broker could not be asked or its answer not be read; asking again later may work."""


class CorruptAnswer(WireError):
    """Bytes that do not follow the format; the connection they came from is of no more use."""


class TooLarge(CorruptAnswer):
    """An answer larger than we take in."""


class Refused(WireError):
    """The broker answered with an error code. code: as in org.apache.kafka.common.protocol.Errors."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: error {code}")
        self.code = code


OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
LEADER_NOT_AVAILABLE = 5
NOT_LEADER = 6
REQUEST_TIMED_OUT = 7
BROKER_NOT_AVAILABLE = 8
NETWORK_EXCEPTION = 13
COORDINATOR_LOAD_IN_PROGRESS = 14
COORDINATOR_NOT_AVAILABLE = 15
NOT_COORDINATOR = 16
NON_EMPTY_GROUP = 68
GROUP_ID_NOT_FOUND = 69
FENCED_LEADER_EPOCH = 74
UNKNOWN_LEADER_EPOCH = 75
UNKNOWN_TOPIC_ID = 100
INCONSISTENT_TOPIC_ID = 103

MOVED = frozenset({LEADER_NOT_AVAILABLE, NOT_LEADER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH})
GONE = frozenset({UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID})
# What a broker says while it starts, stops or elects; it says nothing about what was asked.
PASSING = MOVED | {
    REQUEST_TIMED_OUT,
    BROKER_NOT_AVAILABLE,
    NETWORK_EXCEPTION,
    COORDINATOR_LOAD_IN_PROGRESS,
    COORDINATOR_NOT_AVAILABLE,
    NOT_COORDINATOR,
}
