"""`limits` on a clock that is held: who is let in, who is refused, and when to come back."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.policy import StateError
from regent_runtime.callers.caller import ANONYMOUS, Caller, CallerKind
from regent_runtime.decision import Decision, Stage
from regent_runtime.limits.rates import Limits
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import RATE_LIMITED, STATE_UNAVAILABLE, Refused
from regent_runtime.serve.errors import error_headers
from regent_runtime.state.pod import PodState
from regent_runtime.state.source import StateInUse
from regent_runtime.state.takes import Takes
from tests.enforces import enforces
from tests.fakes import configs

ANN = Caller(CallerKind.SERVICE_ACCOUNT, "ann", "demo")
BOB = Caller(CallerKind.SERVICE_ACCOUNT, "bob", "demo")


class Desk:
    """Limits of one config; turns begin and end at once unless they are held."""

    def __init__(self, *limits: dict[str, Any]) -> None:
        self.now = 0.0
        self.state = PodState(lambda: self.now)
        self.record = TurnRecord()
        self.change(*limits)

    def change(self, *limits: dict[str, Any]) -> None:
        stated = [{"policy": f"demo/p{number}", **limit} for number, limit in enumerate(limits)]
        config = configs.config(policy={"limits": stated})
        self.limits = Limits(config, StateInUse(self.state, self.state, StateError.DENY, lambda: None))

    async def begins(self, caller: Caller = ANN) -> Refused | None:
        self.record = TurnRecord()
        try:
            async with self.limits.admit(caller, self.record):
                return None
        except Refused as refused:
            return refused

    async def retry_after(self, caller: Caller = ANN) -> int | None:
        """What the header says; None: the turn began."""
        refused = await self.begins(caller)
        if refused is None:
            return None
        assert refused.refusal is RATE_LIMITED
        return int(dict(error_headers(refused))[b"retry-after"])


@enforces("limits.requestsPerMinute")
async def test_the_turn_after_the_last_one_of_a_minute_is_refused() -> None:
    desk = Desk({"per": "Caller", "requestsPerMinute": 2})
    assert [await desk.retry_after() for _ in range(3)] == [None, None, 60]
    assert desk.record.decisions == [Decision(Stage.LIMITS, "Deny", "limits", ("demo/p0",), "requestsPerMinute")]


async def test_without_limits_every_turn_begins() -> None:
    desk = Desk()
    assert [await desk.retry_after() for _ in range(1000)] == [None] * 1000


@enforces("limits.per", "limits.requestsPerHour")
async def test_each_caller_has_its_own_bucket_and_the_agent_has_one() -> None:
    desk = Desk({"per": "Caller", "requestsPerHour": 1}, {"per": "Agent", "requestsPerHour": 2})
    assert await desk.retry_after(ANN) is None
    assert await desk.retry_after(ANN) == 3600
    assert await desk.retry_after(BOB) is None
    assert await desk.retry_after(ANONYMOUS) == 3600
    assert desk.record.decisions[0].policies == ("demo/p1",)


async def test_the_same_name_proved_in_another_way_is_another_caller() -> None:
    desk = Desk({"per": "Caller", "requestsPerHour": 1})
    assert await desk.retry_after(ANN) is None
    assert await desk.retry_after(Caller(CallerKind.API_KEY, "ann", "demo")) is None


async def test_a_callers_groups_give_it_no_other_bucket() -> None:
    desk = Desk({"per": "Caller", "requestsPerHour": 1})
    one, other = (Caller(CallerKind.OIDC, "ann", issuer="i", groups=frozenset(groups)) for groups in ({"a"}, {"b"}))
    assert await desk.retry_after(one) is None
    assert await desk.retry_after(other) == 3600


async def test_all_who_show_nothing_are_one_caller() -> None:
    desk = Desk({"per": "Caller", "requestsPerHour": 1})
    assert await desk.retry_after(ANONYMOUS) is None
    assert await desk.retry_after(ANONYMOUS) == 3600


async def test_the_limits_of_all_policies_hold() -> None:
    desk = Desk({"per": "Caller", "requestsPerMinute": 5}, {"per": "Caller", "requestsPerMinute": 2})
    assert [await desk.retry_after() for _ in range(3)] == [None, None, 60]


async def test_refused_turns_do_not_count() -> None:
    desk = Desk({"per": "Caller", "requestsPerMinute": 1}, {"per": "Agent", "requestsPerMinute": 2})
    assert await desk.retry_after(ANN) is None
    for _ in range(50):
        assert await desk.retry_after(ANN) == 60
    assert await desk.retry_after(BOB) is None


@enforces("limits.maxConcurrentTurns")
async def test_no_more_turns_run_at_once_than_may_and_the_guess_is_a_second() -> None:
    desk = Desk({"per": "Caller", "maxConcurrentTurns": 2})
    async with contextlib.AsyncExitStack() as running:
        for _ in range(2):
            await running.enter_async_context(desk.limits.admit(ANN, TurnRecord()))
        assert await desk.retry_after(ANN) == 1
        assert desk.record.decisions[0].reason == "maxConcurrentTurns"
        assert await desk.retry_after(BOB) is None
    assert await desk.retry_after(ANN) is None


async def test_a_turn_that_fails_gives_its_slot_back() -> None:
    desk = Desk({"per": "Agent", "maxConcurrentTurns": 1})
    with pytest.raises(ZeroDivisionError):
        async with desk.limits.admit(ANN, TurnRecord()):
            raise ZeroDivisionError
    assert await desk.retry_after(ANN) is None


async def test_an_edit_of_limits_forgets_nobody() -> None:
    desk = Desk({"per": "Caller", "requestsPerMinute": 3})
    for _ in range(3):
        await desk.begins()
    desk.change({"per": "Caller", "requestsPerMinute": 4})
    assert [await desk.retry_after() for _ in range(2)] == [None, 60]


async def test_the_message_names_the_bound_and_no_caller() -> None:
    desk = Desk({"per": "Caller", "requestsPerMinute": 1})
    await desk.begins()
    refused = await desk.begins()
    assert refused is not None
    assert refused.message == "This caller may have at most 1 turns a minute; try again in 60 s."


async def test_a_caller_whose_turns_cannot_be_counted_is_refused() -> None:
    desk = Desk({"per": "Caller", "requestsPerHour": 5})
    desk.state._takes = Takes(lambda: desk.now, most_moments=1)
    assert await desk.begins(ANN) is None
    refused = await desk.begins(BOB)
    assert refused is not None
    assert (refused.refusal, refused.retry_after) == (STATE_UNAVAILABLE, 1)
    desk.now = 3600
    assert await desk.begins(BOB) is None


bounds = st.fixed_dictionaries(
    {"per": st.sampled_from(["Caller", "Agent"])},
    optional={"requestsPerMinute": st.integers(1, 5), "requestsPerHour": st.integers(1, 8)},
).filter(lambda limit: len(limit) > 1)


@given(st.lists(bounds, min_size=1, max_size=4), st.lists(st.floats(0, 1000), min_size=3, max_size=40))
async def test_retry_after_is_true_when_nobody_else_asks(limits: list[dict[str, Any]], pauses: list[float]) -> None:
    desk = Desk(*limits)
    for pause in pauses:
        desk.now += pause
        said = await desk.retry_after()
        if said is not None:
            asked_at = desk.now
            desk.now = asked_at + said - 1
            assert await desk.begins() is not None, "one second earlier"
            desk.now = asked_at + said
            assert await desk.begins() is None, "at Retry-After"
