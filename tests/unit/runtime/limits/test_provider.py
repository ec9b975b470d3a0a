"""Room at a provider: all that an attempt wants or nothing, and back what it did not use."""

from collections.abc import Sequence
from typing import Any

import pytest

from regent_api.config import ProviderConfig
from regent_api.policy import StateError
from regent_api.route import ProviderLimits as LimitsOfProvider
from regent_runtime.cost.bill import Bill
from regent_runtime.cost.sending import written
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.limits.provider import MINUTE_SECONDS, ProviderLimits, _given_back, _take, _used
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import STATE_UNAVAILABLE, Refused
from regent_runtime.state.contract import BUSY_SECONDS, Period, Purse, Slots, StateFull, Want, Window
from regent_runtime.state.pod import PodState
from regent_runtime.state.source import StateInUse
from regent_runtime.wire.answer import Usage
from tests.fakes import configs

LEASE = 60.0
TOKENS = Purse("p", 100, Period.MINUTE)
WINDOW, SLOTS = Window("p", 2, 60.0), Slots("p", 1, LEASE)


@pytest.fixture
def state() -> PodState:
    return PodState(lambda: 0.0)


def provider() -> ProviderConfig:
    return ProviderConfig.model_validate(configs.provider_config("p", "http://127.0.0.1:1/v1"))


async def left(state: PodState) -> int:
    beyond = 10**9
    return (await state.reserve([TOKENS], "looks", beyond, beyond, LEASE)).left[0]


async def taken(state: PodState, wants: Sequence[Want], holder: str) -> float:
    return await _take(state, wants, [TOKENS], holder, 40, LEASE)


async def test_whoever_finds_no_room_takes_no_tokens(state: PodState) -> None:
    assert [await taken(state, [WINDOW], holder) for holder in "ab"] == [0.0, 0.0]
    assert await left(state) == 20
    assert await taken(state, [WINDOW], "c") == MINUTE_SECONDS, "neither tokens"
    await state.settle("a", 0)
    assert await taken(state, [WINDOW], "d") == 60.0, "nor a request"
    assert await left(state) == 60


async def test_a_slot_that_is_held_is_waited_for_though_the_minute_has_room(state: PodState) -> None:
    assert await taken(state, [WINDOW, SLOTS], "a") == 0.0
    assert await taken(state, [WINDOW, SLOTS], "b") == BUSY_SECONDS


async def test_slots_come_back_beside_a_window(state: PodState) -> None:
    assert await taken(state, [WINDOW, SLOTS], "a") == 0.0
    await _given_back(state, [WINDOW, SLOTS], [TOKENS], "a", Bill(provider(), b"", 5, sent=False))
    assert await left(state) == 100
    assert await taken(state, [WINDOW, SLOTS], "b") == 0.0


@pytest.mark.parametrize(
    ("bill", "used"),
    [
        ({"sent": False}, 0),
        ({"sent": True, "free": True}, 0),
        ({"sent": True}, None),
        ({"sent": True, "free": True, "began": True}, None),
        ({"sent": True, "began": True, "finished": True, "usage": Usage(7, 5, 12)}, 12),
    ],
    ids=["not sent", "refused", "cut", "refused after a word", "counted"],
)
def test_what_was_used_is_nothing_what_was_counted_or_unknown(bill: dict[str, Any], used: int | None) -> None:
    assert _used(Bill(provider(), b"", 5, **bill)) == used


class _Full(PodState):
    async def take(self, wants: Sequence[Want], holder: str) -> tuple[float, ...]:
        raise StateFull


@pytest.mark.parametrize("on_error", list(StateError))
async def test_a_state_without_room_for_one_more_lets_nobody_through(state: PodState, on_error: StateError) -> None:
    limits = LimitsOfProvider.model_validate({"requestsPerMinute": 1})
    config = configs.config(configs.provider_config("p", "http://127.0.0.1:1/v1"))
    room = ProviderLimits(config, StateInUse(_Full(), state, on_error, lambda: None))
    request, record = parse(b'{"messages": [{"role": "user", "content": "Hi"}]}'), TurnRecord()
    with pytest.raises(Refused) as refused:
        async with room.room(request, provider(), limits, written(config, request, provider()), record):
            pass
    assert refused.value.refusal is STATE_UNAVAILABLE
    assert [(each.action, each.reason) for each in record.decisions] == [("Deny", "state_full")]
