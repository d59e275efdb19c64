"""Records of __consumer_offsets as a Kafka 4.3.1 broker wrote them, and what they say of a group."""

import pytest

from live import folding
from live.decoders import (
    ClassicGroup,
    ClassicMember,
    Commit,
    Decoded,
    GroupEpoch,
    MemberAssignment,
    MemberJoined,
    Planned,
    TargetEpoch,
    Undecoded,
    decode,
)
from live.snapshots import Group, Member
from tests.gates.seed import dice

ORDERS_ID = bytes.fromhex("a93f7dbb7e404cc7997052bb96f91d80")

GOLDEN: dict[str, tuple[str, str, Decoded]] = {
    "a commit": (
        "000100047761726d0002636d00000000",
        "00040000000000000001ffffffff01000001a20700cdb4010010e78000a9818a4890b9cacbbaa2958d38",
        Commit("warm", "cm", 0, 1),
    ),
    "a commit inside a transaction": (
        "00010005672d656f730002747800000000",
        "00040000000000000001ffffffff01000001a20702398400",
        Commit("g-eos", "tx", 0, 1),
    ),
    "a classic group after a rebalance": (
        "00020007672d6561676572",
        (
            "00030008636f6e73756d657200000003000572616e676500276d312d66653939366366322d313835622d343366362d626363302d35"
            "3331633232306265396534000001a20700e2ed0000000100276d312d66653939366366322d313835622d343366362d626363302d35"
            "3331633232306265396534ffff00026d31000a2f3132372e302e302e31000493e00000177000000018000300000001000274360000"
            "000000000000ffffffff00000000002a00000000000100027436000000060000000000000001000000020000000300000004000000"
            "0500000000"
        ),
        ClassicGroup(
            "g-eager",
            3,
            "consumer",
            (
                ClassicMember(
                    "m1-fe996cf2-185b-43f6-bcc0-531c220be9e4", "m1", "/127.0.0.1", {"t6": (0, 1, 2, 3, 4, 5)}
                ),
            ),
        ),
    ),
    "a group epoch": ("00030005672d383438", "000000000002010008b9688a6901dd1e08", GroupEpoch("g-848", 2)),
    "a static member": (
        "00050006672d383438730016395474536c314a585278364f514d5774586852505251",
        "0000036931000373310b2f3132372e302e302e310203743601000493e00001000100",
        MemberJoined("g-848s", "9TtSl1JXRx6OQMWtXhRPRQ", "s1", "/127.0.0.1"),
    ),
    "a member that came from a classic group": (
        "00050005672d6d697800276d312d37386265363264622d353664642d343735372d626563342d333964653562653732306365",
        (
            "00000000036d310b2f3132372e302e302e310203743601000493e00001003401000017700213636f6f70657261746976652d737469"
            "636b7919000300000001000274360000000000000000ffffffff00000000"
        ),
        MemberJoined("g-mix", "m1-78be62db-56dd-4757-bec4-39de5be720ce", "m1", "/127.0.0.1"),
    ),
    "a target epoch": ("00060005672d383438", "000000000002010008000001a20700ce8b", TargetEpoch("g-848", 2)),
    "a target assignment": (
        "00070005672d38343800166f4248724652677551397548786b4258457777674a67",
        "000002a93f7dbb7e404cc7997052bb96f91d80040000000300000004000000050000",
        Planned("g-848"),
    ),
    "a member that must give partitions up": (
        "00080005672d38343800165045654935374437546669466741475a6b4a6b4b6241",
        (
            "000000000002000000020102a93f7dbb7e404cc7997052bb96f91d800400000000000000010000000201000d04000000020000000200"
            "00000202a93f7dbb7e404cc7997052bb96f91d800400000003000000040000000501000d0400000002000000020000000200"
        ),
        MemberAssignment("g-848", "PEeI57D7TfiFgAGZkJkKbA", 2, 1, {ORDERS_ID: (0, 1, 2, 3, 4, 5)}),
    ),
    "a topic pattern": (
        "00100004672d72780009285e745b302d395d29",
        "0000030374310374360000000000000a4e000001a20710c6a400",
        Planned("g-rx"),
    ),
    "a part of a share group": (
        "000f00027367",
        "0000024d531366ac3942ec85280db5900e61e003736803000000000000000100010100",
        Undecoded(15, 0),
    ),
}


def keys_and_values() -> list[tuple[bytes, bytes]]:
    return [(bytes.fromhex(key), bytes.fromhex(value)) for key, value, _ in GOLDEN.values()]


@pytest.mark.parametrize("what", GOLDEN)
def test_what_a_broker_wrote_is_read(what: str) -> None:
    key, value, expected = GOLDEN[what]
    assert decode(bytes.fromhex(key), bytes.fromhex(value)) == expected


@pytest.mark.parametrize("what", GOLDEN)
def test_a_tombstone_is_read_or_said_to_be_unknown(what: str) -> None:
    key, _, expected = GOLDEN[what]
    assert type(decode(bytes.fromhex(key), None)) is type(expected)


@pytest.mark.parametrize("key", [None, b"", b"\x00", b"\x00\x09\x00\x00", b"\x7f\xff", b"\xff\xff\x00"])
def test_a_key_of_another_kind_is_said_to_be_unknown(key: bytes | None) -> None:
    assert isinstance(decode(key, b"\x00\x00"), Undecoded)


def test_a_later_version_is_said_to_be_unknown_and_not_guessed() -> None:
    key, value, _ = GOLDEN["a commit"]
    assert decode(bytes.fromhex(key), b"\x00\x07" + bytes.fromhex(value)[2:]) == Undecoded(1, 7)


def test_twenty_thousand_damaged_records_raise_nothing() -> None:
    chance = dice("decoders")
    for _ in range(20_000):
        key, value = map(bytearray, chance.choice(keys_and_values()))
        for damaged in (key, value):
            for _ in range(chance.randint(0, 3)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            del damaged[chance.randint(1, len(damaged)) :]
        decode(bytes(key), bytes(value))


# -- Folding -------------------------------------------------------------------------------------------------


def names(topic_id: bytes) -> str | None:
    return {ORDERS_ID: "orders"}.get(topic_id)


def folded(*records: Decoded, group: Group | None = None) -> Group | None:
    for record in records:
        group = folding.fold(group, record, names)
    return group


JOINED = (
    GroupEpoch("g", 2),
    MemberJoined("g", "m-1", "audit-1", "/h"),
    TargetEpoch("g", 2),
    Planned("g"),
    MemberAssignment("g", "m-1", 2, 0, {ORDERS_ID: (0, 1)}),
)


def test_a_member_that_joins_gets_its_partitions_and_the_group_is_stable() -> None:
    group = folded(*JOINED)
    assert group is not None
    assert (group.kind, group.state, group.generation) == ("consumer", "Stable", 2)
    assert group.members == {
        "m-1": Member(id="m-1", client="audit-1", host="/h", assigned={"orders": (0, 1)}, epoch=2)
    }


def test_a_group_without_a_plan_for_its_epoch_is_assigning() -> None:
    group = folded(*JOINED, GroupEpoch("g", 3))
    assert group is not None
    assert group.state == "Assigning"


@pytest.mark.parametrize(("epoch", "state"), [(2, 1), (3, 2), (2, 0)])
def test_a_member_on_its_way_makes_the_group_reconciling(epoch: int, state: int) -> None:
    moving = MemberAssignment("g", "m-1", epoch, state, {ORDERS_ID: (0, 1)})
    group = folded(*JOINED, GroupEpoch("g", 3), TargetEpoch("g", 3), moving)
    assert group is not None
    assert group.state == "Reconciling"


def test_a_group_whose_last_member_left_is_empty_and_keeps_its_commits() -> None:
    group = folded(*JOINED, Commit("g", "orders", 0, 5), MemberJoined("g", "m-1", None, ""))
    assert group is not None
    assert (group.state, group.members, group.committed) == ("Empty", {}, {"orders": {0: 5}})


def test_a_removed_commit_is_no_commit_and_not_zero() -> None:
    group = folded(Commit("g", "orders", 0, 5), Commit("g", "orders", 1, 7), Commit("g", "orders", 0, None))
    assert group is not None
    assert group.committed == {"orders": {1: 7}}
    assert folded(Commit("g", "orders", 1, None), group=group).committed == {}  # type: ignore[union-attr]


def test_a_removed_group_is_gone() -> None:
    assert folded(*JOINED, GroupEpoch("g", None)) is None
    assert folded(ClassicGroup("g", 1, "consumer", ()), ClassicGroup("g", -1, "", None)) is None
    assert folded(Commit("never-seen", "orders", 0, None)) is None


def test_an_upgraded_group_survives_the_end_of_its_classic_life() -> None:
    classic = ClassicGroup("g", 4, "consumer", (ClassicMember("m-1", "audit-1", "/h", {"orders": (0,)}),))
    group = folded(classic, Commit("g", "orders", 0, 5), *JOINED, ClassicGroup("g", -1, "", None))
    assert group is not None
    assert (group.kind, group.committed) == ("consumer", {"orders": {0: 5}})


def test_the_same_records_twice_end_in_the_same_group() -> None:
    records = (*JOINED, Commit("g", "orders", 0, 5))
    assert folded(*records, *records) == folded(*records)
