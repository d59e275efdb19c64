"""The stories that both sides decode, told by Python: frames round-trip, and a browser ends where it
should.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from live import frames, ops
from live.snapshots import lag
from tests.live.browser import Browser

FIXTURES = Path(__file__).parent / "fixtures"
STORIES = sorted(path.stem for path in FIXTURES.glob("*.json") if path.stem not in {"lag", "client_ops"})


def story(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", STORIES)
def test_every_frame_of_a_story_reads_and_writes_back_the_same(name: str) -> None:
    for frame in story(name)["frames"]:
        assert json.loads(frames.encode(frames.decode(json.dumps(frame)))) == frame


@pytest.mark.parametrize("name", STORIES)
def test_a_browser_ends_where_the_story_says(name: str) -> None:
    told = story(name)
    browser, expect = Browser(), told["expect"]
    for frame in told["frames"]:
        browser.take(frame)

    assert (browser.epoch, browser.seq) == (expect["epoch"], expect["seq"])
    assert browser.state == expect["state"]
    for topic, partitions in expect.get("offsets", {}).items():
        assert {p: browser.offsets[topic][int(p)] for p in partitions} == partitions
    for topic, count in expect.get("counts", {}).items():
        assert {"seen": browser.seen[topic], "shown": browser.shown[topic]} == count
    assert [event["kind"] for event in browser.events] == expect.get("events", [])
    assert browser.control == expect.get("control", [])
    assert browser.lost == expect.get("lost", [])
    assert browser.sent == ([expect["send"]] if "send" in expect else [])


def test_the_lag_of_a_story_follows_from_its_state() -> None:
    state = story("group")["expect"]["state"]
    committed = state["groups"]["audit"]["committed"]["orders"]
    lags = [
        lag(start=p["start"], end=p["end"], committed=committed.get(str(p["p"])))
        for p in state["topics"]["orders"]["partitions"]
    ]
    assert lags == story("group")["expect"]["lag"]["audit"]["orders"]


@pytest.mark.parametrize("case", json.loads((FIXTURES / "lag.json").read_text())["cases"])
def test_lag_is_what_both_sides_agreed_on(case: dict[str, Any]) -> None:
    assert lag(start=case["start"], end=case["end"], committed=case["committed"]) == case["lag"]


@pytest.mark.parametrize("op", story("client_ops")["good"])
def test_what_a_browser_may_say_is_understood(op: Any) -> None:
    assert ops.parse(json.dumps(op)) is not None


@pytest.mark.parametrize("op", story("client_ops")["bad"])
def test_what_a_browser_may_not_say_is_refused(op: Any) -> None:
    with pytest.raises(ops.BadOp):
        ops.parse(json.dumps(op))


@pytest.mark.parametrize(
    "text", ["", "{", "hello", '{"op":"ack","seq":1}' + " " * 5000, '{"op":"ack","seq":1e3}']
)
def test_what_is_no_operation_at_all_is_refused(text: str) -> None:
    with pytest.raises(ops.BadOp):
        ops.parse(text)


@pytest.mark.parametrize("text", ["[]", "7", '{"lane":"nobody"}', '{"lane":"state"}', "{"])
def test_what_is_no_frame_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        frames.decode(text)
