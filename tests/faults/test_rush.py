"""Two hundred press Start at once, somebody hammers all buttons in two tabs, real Kafkas start (F18)."""

import asyncio
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.bench.rush import Answer, Line, all_press, lines
from tests.faults.table import Case
from tests.faults.whole_site import WholeSite, whole_site
from tests.gates.seed import dice

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rush")]
BACKEND = "tests.sandboxes.doubles.RushBackend"
CHECK = "tests.sandboxes.worker"
PATIENCE_S = 120
RUSH = 200
REAL = 6
# At most 20 presses of one student are let through in a minute (sandboxes.limits.START).
LIMIT = 20
BUTTONS = ("start", "stop", "delete", "start-over", "resume")
LEADS_TO = {"none": None, "suspending": "suspended", "suspended": "suspended"}


@pytest.fixture(scope="module")
def site() -> Iterator[WholeSite]:
    with whole_site(SANDBOX_BACKEND=BACKEND, WARM_POOL="0", RUSH_PACE="0.05") as site:
        site.start()
        yield site


def students(site: WholeSite, count: int) -> list[str]:
    """So many new ones, signed in; their session keys."""
    made: list[str] = site.ask(count, module="tests.bench.people")
    return made


def proven(site: WholeSite, case: Case) -> dict[str, Any]:
    """When all has come to rest: the invariants, and every sandbox's story."""
    site.ask("settled", PATIENCE_S)
    case.converged()
    case.holds(*site.ask("check", module=CHECK))
    told: dict[str, Any] = site.ask("stories")
    return told


@pytest.mark.fault("F18", f"{RUSH} Starts at once", holds="I1 I2 I3 I7")
def test_two_hundred_starts_at_once_are_all_answered_and_all_done(site: WholeSite, case: Case) -> None:
    answers = all_press(site.address, students(site, RUSH))
    case.cleared()
    stories = proven(site, case)

    assert {answer.status for answer in answers} == {200}
    assert len({answer.sandbox for answer in answers}) == RUSH
    assert all(answer.wait_s for answer in answers)
    waiting = [answer for answer in answers if answer.state == "queued"]
    assert all(1 <= (answer.place or 0) <= RUSH for answer in waiting)
    assert len(waiting) > RUSH / 2
    assert {stories[answer.sandbox]["state"] for answer in answers} == {"ready"}
    for answer in answers:
        assert stories[answer.sandbox]["moves"] == ["queued", "provisioning", "binding", "ready"]


async def hammer(tab: Line, presses: int, chance: Random) -> list[Answer]:
    """Any button, 25 times a second; not faster than answers come, as a browser's line does it."""
    answers = []
    for _ in range(presses):
        began = time.monotonic()
        answers.append(await tab.press(chance.choice(BUTTONS)))
        await asyncio.sleep(max(0.0, began + 0.04 - time.monotonic()))
    return answers


async def in_two_tabs(address: str, session: str, presses: int, last: str) -> tuple[list[Answer], Answer]:
    """Both tabs at once, and a last press when both have been answered."""
    async with lines(address, [session] * 2) as tabs:
        found = await asyncio.gather(
            *(hammer(tab, presses, dice(f"{last} {number}")) for number, tab in enumerate(tabs))
        )
        return [answer for answers in found for answer in answers], await tabs[0].press(last)


@pytest.mark.fault("F18", "all buttons, 50 a second, in two tabs", holds="I1 I2 I3 I7 I11")
def test_what_was_pressed_last_holds_however_wildly_all_was_pressed_before(
    site: WholeSite, case: Case
) -> None:
    buttons = ["start", "stop", "delete", "start-over"]

    async def all_of_them() -> list[tuple[list[Answer], Answer]]:
        found = zip(students(site, len(buttons)), buttons, strict=True)
        return await asyncio.gather(
            *(in_two_tabs(site.address, session, LIMIT // 2 - 1, last) for session, last in found)
        )

    ended = asyncio.run(all_of_them())
    case.cleared()
    stories = proven(site, case)

    assert {answer.status for answers, last in ended for answer in (*answers, last)} == {200}
    for (_, last), button in zip(ended, buttons, strict=True):
        assert (
            last.state
            in {
                "start": {"queued", "provisioning", "binding", "ready", "resuming", "suspending"},
                "stop": {"none", "suspending", "suspended"},
                "delete": {"none"},
                "start-over": {"none", "queued", "provisioning", "binding", "ready"},
            }[button]
        ), button
        if last.state != "none":
            assert stories[last.sandbox]["state"] == LEADS_TO.get(last.state, "ready"), (button, last.state)
    case.holds("I11")


@pytest.mark.fault("F18", "Start pressed 50 times a second by one student", holds="I1 I2 I3 I7 I12")
def test_who_presses_too_often_is_told_when_to_press_again(site: WholeSite, case: Case) -> None:
    (session,) = students(site, 1)

    answers, _ = asyncio.run(in_two_tabs(site.address, session, 3 * LIMIT, "start"))
    refused = [answer for answer in answers if answer.status == 429]
    case.cleared()

    assert {answer.status for answer in answers} == {200, 429}
    assert len(refused) >= len(answers) - 2 * LIMIT  # a new minute may have begun
    for answer in refused:
        wait_s = int(answer.headers["retry-after"])
        assert 1 <= wait_s <= 61
        assert f"Try again in {wait_s} s." in answer.text
    time.sleep(int(refused[-1].headers["retry-after"]))
    (again,) = all_press(site.address, [session])
    stories = proven(site, case)
    assert again.status == 200
    assert stories[again.sandbox]["state"] == "ready"
    case.holds("I12")


@pytest.mark.kafka
@pytest.mark.fault("F18", f"{REAL} Starts at once, real Kafkas", holds="I1 I2 I3 I7")
def test_real_kafkas_start_a_few_at_a_time(case: Case) -> None:
    with whole_site(WARM_POOL="0") as site:
        site.start()
        answers = all_press(site.address, students(site, REAL))
        case.cleared()
        stories = proven(site, case)
        clusters = {site.endpoint(answer.sandbox).cluster_id for answer in answers}
        crowding, allowed = site.ask("crowding"), site.ask("starts_at_once")

    assert {answer.status for answer in answers} == {200}
    assert {stories[answer.sandbox]["state"] for answer in answers} == {"ready"}
    assert len(clusters) == REAL
    assert crowding <= allowed
