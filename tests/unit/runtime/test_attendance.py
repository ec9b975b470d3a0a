"""What a pod says of its active conversations between two words of the state."""

from collections.abc import Sequence

import pytest

from regent_api.types import Sensitivity
from regent_runtime.attendance import FIRST_SECONDS, MOST_RENEWED, RENEWED_AT, SELDOM_SECONDS, Attendance
from regent_runtime.state.contract import Conversation, State, StateAway, Visit
from regent_runtime.state.pod import PodState
from tests.unit.runtime.state.test_takes import Clock

IDLE = 120.0


class Away(PodState):
    async def active(self, pod: str, running: Sequence[str] = (), seconds: float = 0.0) -> int:
        raise StateAway("unreachable")


class Unasked(PodState):
    async def active(self, pod: str, running: Sequence[str] = (), seconds: float = 0.0) -> int:
        raise AssertionError("nothing is active, and it was asked a moment ago")


class Told(PodState):
    """Which conversations are visited again, and for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed: list[tuple[list[str], float]] = []

    async def active(self, pod: str, running: Sequence[str] = (), seconds: float = 0.0) -> int:
        self.renewed.append((list(running), seconds))
        return len(running)


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


async def test_a_process_asks_once_and_then_seldom_while_nothing_is_active(
    attendance: Attendance, clock: Clock
) -> None:
    state: State = PodState()
    await state.begin(Conversation("c-1", "ann", Sensitivity.INTERNAL, "n"), Visit("one", IDLE))
    await attendance.refresh(state, IDLE)
    assert attendance.figure(0) == 1
    await state.forget("c-1", "ann")
    await attendance.refresh(state, IDLE)
    assert attendance.figure(0) == 0
    clock.now += SELDOM_SECONDS - 1
    await attendance.refresh(Unasked(), IDLE)
    clock.now += 1
    told = Told()
    await attendance.refresh(told, IDLE)
    await attendance.refresh(told, IDLE)
    assert told.renewed == [([], IDLE)]
    clock.now += SELDOM_SECONDS
    await attendance.refresh(Away(), IDLE)
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


async def test_what_is_in_flight_is_visited_again_well_before_its_visit_ends(
    attendance: Attendance, clock: Clock
) -> None:
    state = Told()
    attendance.begins("c-1")
    await attendance.refresh(state, IDLE)
    clock.now = RENEWED_AT * FIRST_SECONDS
    await attendance.refresh(state, IDLE)
    await attendance.refresh(state, IDLE)
    clock.now += RENEWED_AT * IDLE
    attendance.begins("c-1")
    await attendance.refresh(state, IDLE)
    attendance.ends("c-1")
    clock.now += IDLE
    await attendance.refresh(state, IDLE)
    attendance.ends("c-1")
    await attendance.refresh(state, IDLE)
    await attendance.refresh(state, IDLE)
    asked = [(["c-1"], IDLE), ([], IDLE)]
    assert state.renewed == [([], IDLE), *asked, *asked[:1], *asked]


async def test_a_visit_outlasts_the_next_looks_however_soon_a_conversation_is_idle(
    attendance: Attendance, clock: Clock
) -> None:
    state = Told()
    attendance.begins("c-1")
    clock.now = FIRST_SECONDS
    await attendance.refresh(state, 0.2)
    assert state.renewed == [(["c-1"], FIRST_SECONDS)]


async def test_what_the_state_did_not_hear_is_told_with_the_next_look(attendance: Attendance, clock: Clock) -> None:
    state = Told()
    attendance.begins("c-1")
    clock.now = FIRST_SECONDS
    await attendance.refresh(Away(), IDLE)
    await attendance.refresh(state, IDLE)
    assert state.renewed == [(["c-1"], IDLE)]


async def test_one_look_tells_a_bounded_number(attendance: Attendance, clock: Clock) -> None:
    state = Told()
    for number in range(MOST_RENEWED + 1):
        attendance.begins(f"c-{number}")
    clock.now = FIRST_SECONDS
    await attendance.refresh(state, IDLE)
    await attendance.refresh(state, IDLE)
    assert [len(ids) for ids, _ in state.renewed] == [MOST_RENEWED, 1]


def test_a_process_without_a_pods_uid_has_a_name_of_its_own() -> None:
    assert Attendance().pod != Attendance().pod
    assert Attendance().pod
