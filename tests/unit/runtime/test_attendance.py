"""What a pod says of its active conversations between two words of the state."""

import pytest

from regent_api.types import Sensitivity
from regent_runtime.attendance import Attendance
from regent_runtime.state.contract import Conversation, State, StateAway, Visit
from regent_runtime.state.pod import PodState
from tests.unit.runtime.state.test_takes import Clock

IDLE = 120.0


class Away(PodState):
    async def active(self, pod: str) -> int:
        raise StateAway("unreachable")


class Unasked(PodState):
    async def active(self, pod: str) -> int:
        raise AssertionError("nothing is active, so nothing can have become idle")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attendance(clock: Clock) -> Attendance:
    return Attendance("one", clock)


def test_turns_of_no_conversation_are_added_to_the_states_word(attendance: Attendance) -> None:
    assert attendance.figure(0) == 0
    assert attendance.figure(2) == 2
    attendance.told(3)
    attendance.begins("c-1")
    assert attendance.figure(2) == 4, "one of the two is of a conversation that is counted already"


def test_a_conversation_rests_with_the_last_of_its_turns(attendance: Attendance) -> None:
    attendance.begins("c-1")
    attendance.begins("c-1")
    assert not attendance.is_last("c-1")
    attendance.ends("c-1")
    assert attendance.is_last("c-1")
    attendance.ends("c-1")
    assert not attendance.is_last("c-1")


async def test_a_process_asks_once_and_then_only_while_something_is_active(attendance: Attendance) -> None:
    state: State = PodState()
    await state.begin(Conversation("c-1", "ann", Sensitivity.INTERNAL, "n"), Visit("one", IDLE))
    await attendance.refresh(state, IDLE)
    assert attendance.figure(0) == 1
    await state.forget("c-1", "ann")
    await attendance.refresh(state, IDLE)
    assert attendance.figure(0) == 0
    await attendance.refresh(Unasked(), IDLE)


async def test_while_the_state_is_away_its_last_word_stands_until_all_must_be_idle(
    attendance: Attendance, clock: Clock
) -> None:
    clock.now = 5.0
    attendance.told(3)
    attendance.begins("c-0")
    attendance.ends("c-0")
    clock.now += IDLE - 1
    await attendance.refresh(Away(), IDLE)
    assert attendance.figure(0) == 3
    attendance.begins("c-1")
    clock.now += 1
    await attendance.refresh(Away(), IDLE)
    assert attendance.figure(1) == 1, "the turn that still runs is of one"


def test_a_process_without_a_pods_uid_has_a_name_of_its_own() -> None:
    assert Attendance().pod != Attendance().pod
    assert Attendance().pod
