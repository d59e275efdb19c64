"""The table of moves, over all pairs of states."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.errors import IllegalMove
from sandboxes.lifecycle import LEAVING, MOVES, UNBORN, State, may_move, require_move, stop_leads_to

PAIRS = list(itertools.product(State, State))
DRAWN = {
    ("queued", "provisioning"), ("provisioning", "warm"), ("provisioning", "binding"), ("warm", "binding"),
    ("binding", "ready"), ("binding", "queued"), ("ready", "degraded"), ("degraded", "ready"),
    ("ready", "suspending"), ("degraded", "suspending"), ("resuming", "suspending"),
    ("suspending", "suspended"), ("suspended", "resuming"), ("resuming", "ready"), ("failed", "queued"),
    ("failed", "resuming"), ("deleting", "deleted"), ("deleting", "quarantined"), ("quarantined", "deleted"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_move_is_legal_exactly_when_it_is_drawn(old: State, new: State) -> None:
    if new is State.DELETING:
        expected = old not in {State.DELETING, State.DELETED}
    elif new is State.FAILED:
        expected = old not in LEAVING | {State.FAILED}
    else:
        expected = (old, new) in DRAWN

    assert may_move(old, new) is expected


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_an_illegal_move_is_refused_by_name(old: State, new: State) -> None:
    if may_move(old, new):
        require_move(old, new)
        return
    with pytest.raises(IllegalMove, match=f"from {old} to {new}"):
        require_move(old, new)


@pytest.mark.parametrize("state", State)
def test_stop_leads_to_a_legal_place_from_every_state(state: State) -> None:
    target = stop_leads_to(state)

    assert target is state or may_move(state, target)


@pytest.mark.parametrize("state", sorted(UNBORN))
def test_stopping_a_start_in_flight_removes_it(state: State) -> None:
    assert stop_leads_to(state) is State.DELETING


def test_every_state_can_be_left_for_deleted() -> None:
    for state in State:
        assert _reachable(state) >= {State.DELETED}


def test_nothing_comes_back_from_deleted() -> None:
    assert MOVES[State.DELETED] == frozenset()


@given(st.lists(st.sampled_from(list(State)), max_size=12))
def test_no_path_of_legal_moves_leads_from_leaving_to_life(path: list[State]) -> None:
    state = State.DELETING
    for wished in path:
        state = wished if may_move(state, wished) else state

    assert state in LEAVING


def _reachable(state: State) -> set[State]:
    seen, todo = {state}, [state]
    while todo:
        for new in MOVES[todo.pop()] - seen:
            seen.add(new)
            todo.append(new)
    return seen
