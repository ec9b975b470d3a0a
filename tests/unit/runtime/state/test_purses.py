"""What a process keeps of purses; what they do, the contract's tests say of both states."""

import pytest

from regent_api.types import Sensitivity
from regent_runtime.state.contract import Conversation, Period, Purse, StateFull, Visit
from regent_runtime.state.pod import PodState
from regent_runtime.state.purses import SWEEP_SECONDS, Purses

LEASE = 60.0
DAY = 86_400.0


class Desk:
    """Purses of which a few may be, and conversations that are there until they are dropped."""

    def __init__(self) -> None:
        self.now = 0.0
        self.talks = {"talk"}
        self.asked = 0
        self.purses = Purses(lambda: self.now, self._talks, most_purses=10, most_held=5)

    def _talks(self, name: str) -> bool:
        self.asked += 1
        return name in self.talks

    def spends(self, name: str, period: Period) -> int:
        """What was left before."""
        purse = Purse(name, 100, period, name if period is Period.CONVERSATION else "")
        holder = f"{name} at {self.now}"
        (left,) = self.purses.reserve([purse], holder, 1, 1, LEASE).left
        self.purses.settle(holder, 1)
        return left


@pytest.mark.parametrize("period", [Period.TURN, Period.CONVERSATION])
def test_turns_and_conversations_without_end_leave_room_for_others(period: Period) -> None:
    desk = Desk()
    for number in range(1000):
        desk.now += LEASE / 5
        desk.talks.add(f"t{number}")
        assert desk.spends(f"t{number}", period) == 100
        desk.talks.remove(f"t{number}")
    assert desk.spends("talk", Period.CONVERSATION) == 100


def test_a_conversation_that_is_there_keeps_its_purse_for_a_day() -> None:
    desk = Desk()
    assert desk.spends("talk", Period.CONVERSATION) == 100
    desk.now = DAY - 1
    assert desk.spends("talk", Period.CONVERSATION) == 99
    desk.now += DAY
    assert desk.spends("talk", Period.CONVERSATION) == 100


@pytest.mark.parametrize("period", [Period.TURN, Period.CONVERSATION])
def test_what_runs_yet_keeps_its_purse_though_its_conversation_is_gone(period: Period) -> None:
    desk = Desk()
    desk.spends("gone", period)
    desk.now = LEASE - 1
    assert desk.spends("gone", period) == 99
    desk.now += LEASE - 1
    assert desk.spends("gone", period) == 98


def test_where_there_is_no_room_what_is_there_stays_and_the_new_one_is_refused() -> None:
    desk = Desk()
    desk.spends("talk", Period.CONVERSATION)
    for number in range(9):
        desk.spends(f"t{number}", Period.TURN)
    desk.now = SWEEP_SECONDS
    with pytest.raises(StateFull):
        desk.spends("late", Period.TURN)
    assert desk.spends("talk", Period.CONVERSATION) == 99
    desk.now = LEASE + SWEEP_SECONDS
    assert desk.spends("late", Period.TURN) == 100


def test_who_never_settles_is_forgotten_when_it_is_too_late() -> None:
    desk = Desk()
    for number in range(100):
        desk.now += LEASE
        desk.purses.reserve([Purse("talk", 10**6, Period.CONVERSATION, "talk")], f"h{number}", 1, 1, LEASE)
    assert len(desk.purses._held) <= 2


def test_no_more_is_held_than_may_be_and_what_is_settled_makes_room() -> None:
    desk = Desk()
    purse = Purse("agent", 100, Period.DAY)
    for number in range(5):
        desk.purses.reserve([purse], f"h{number}", 1, 1, LEASE)
    with pytest.raises(StateFull):
        desk.purses.reserve([purse], "more", 1, 1, LEASE)
    desk.purses.settle("h0", 1)
    assert desk.purses.reserve([purse], "more", 1, 1, LEASE).left == (95,)


def test_what_is_over_is_looked_for_now_and_then() -> None:
    desk = Desk()
    desk.spends("talk", Period.CONVERSATION)
    desk.now = LEASE
    for number in range(3):
        desk.spends(f"t{number}", Period.TURN)
    assert desk.asked == 1
    desk.now += SWEEP_SECONDS
    desk.spends("later", Period.TURN)
    assert desk.asked == 2


async def test_a_pod_asks_its_own_conversations() -> None:
    now = 0.0
    state = PodState(lambda: now)
    await state.begin(Conversation("talk", "ann", Sensitivity.PUBLIC, "n"), Visit("pod", 10.0))
    for turn in range(3):
        await state.reserve([Purse("b", 100, Period.CONVERSATION, "talk")], f"h{turn}", 1, 1, LEASE)
        now += 2 * LEASE
    purse = Purse("b", 100, Period.CONVERSATION, "talk")
    assert (await state.reserve([purse], "h", 1, 1, LEASE)).left == (97,)
    await state.forget("talk", "ann")
    now += 2 * LEASE
    assert (await state.reserve([purse], "i", 1, 1, LEASE)).left == (100,)
