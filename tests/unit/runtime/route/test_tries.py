"""Whom a turn asks, in virtual time."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import AgentConfig
from regent_runtime.refusals import BUDGET_SPENT, Refused
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.route.standing import Standing, standings
from regent_runtime.route.tries import Surroundings, Tries, Try
from tests.fakes import configs
from tests.fakes.clocks import Clock

ROUTE: dict[str, Any] = {
    "fallback": {"maxAttempts": 8},
    "retries": {"maxPerProvider": 2, "baseDelay": 0.25, "maxDelay": 8, "maxRetryAfter": 30, "budgetPercent": 20},
    "circuitBreaker": {"consecutiveFailures": 3, "openFor": 15},
}


def config(keys: Sequence[str] = (), **route: Any) -> AgentConfig:
    files = [{"name": name, "secret": "cloud", "key": name} for name in keys]
    cloud = configs.provider_config("cloud", "https://cloud.test/v1", type="OpenAI", credentials=files)
    other = configs.provider_config("other", "http://127.0.0.1:1/v1")
    return configs.config(cloud, other, route=configs.merged(ROUTE, route))


class Turn:
    """One turn at two providers. `say` tells how the attempt that was made went, and who was asked then."""

    def __init__(
        self,
        made: AgentConfig | None = None,
        *,
        clock: Clock | None = None,
        known: dict[str, Standing] | None = None,
        dice: float = 1.0,
        seconds: float = 60,
        dead: dict[str, set[str]] | None = None,
    ) -> None:
        made = made or config()
        self.clock = clock or Clock()
        self.known = known if known is not None else dict(standings(made, {}, self.clock))
        world = Surroundings(self.clock, self.clock.pause, lambda: dice)
        self.dead = {} if dead is None else dead
        ends = self.clock.now + seconds
        self.tries = Tries(made.route, made.route.providers, self.known, ends=ends, dead=self.dead, world=world)
        self.tried: Try | None = None

    async def ask(self) -> str:
        """`PROVIDER` or `PROVIDER/KEY` that is asked now; empty: nobody."""
        self.tried = await self.tries.next()
        if self.tried is None:
            return ""
        return f"{self.tried.provider.name}/{self.tried.key.name}" if self.tried.key else self.tried.provider.name

    async def say(self, failure: Failure, retry_after: float | None = None) -> str:
        assert self.tried is not None
        self.tries.failed(self.tried, ProviderError(failure, retry_after=retry_after))
        return await self.ask()


async def test_the_candidates_in_their_order() -> None:
    turn = Turn()
    assert await turn.ask() == "cloud"
    assert await turn.say(Failure.CONTEXT_WINDOW) == "other"
    assert await turn.say(Failure.CONTEXT_WINDOW) == ""
    assert turn.clock.pauses == []


async def test_retries_wait_twice_as_long_each_time_within_the_longest() -> None:
    turn = Turn(config(retries={"maxPerProvider": 4, "maxDelay": 1}, circuitBreaker={"consecutiveFailures": 9}))
    assert await turn.ask() == "cloud"
    for _ in range(4):
        assert await turn.say(Failure.SERVER_ERROR) == "cloud"
    assert turn.clock.pauses == [0.25, 0.5, 1, 1]
    assert await turn.say(Failure.SERVER_ERROR) == "other"


async def test_the_jitter_is_full() -> None:
    turn = Turn(dice=0.5)
    await turn.ask()
    await turn.say(Failure.SERVER_ERROR)
    assert turn.clock.pauses == [0.125]


@pytest.mark.parametrize("failure", [each for each in Failure if not each.retried])
async def test_what_cannot_help_is_not_retried(failure: Failure) -> None:
    turn = Turn(config(fallback={"errors": sorted({each.kind for each in Failure})}))
    assert await turn.ask() == "cloud"
    assert await turn.say(failure) == "other"


async def test_retry_after_is_a_floor() -> None:
    turn = Turn()
    await turn.ask()
    assert await turn.say(Failure.SERVER_ERROR, 3) == "cloud"
    assert await turn.say(Failure.SERVER_ERROR, 0.1) == "cloud"
    assert turn.clock.pauses == pytest.approx([3.25, 0.6])


async def test_what_others_were_told_of_it_is_a_floor_too() -> None:
    turn = Turn()
    beside = Turn(clock=turn.clock, known=turn.known)
    await turn.ask()
    await beside.ask()
    await beside.say(Failure.OVERLOADED, 20)
    turn.clock.pauses.clear()
    turn.known["cloud"].failed(None, ProviderError(Failure.OVERLOADED, retry_after=9))
    assert await turn.say(Failure.OVERLOADED, 3) == "cloud"
    assert turn.clock.pauses == [9.25]


async def test_who_asks_for_as_long_as_may_be_waited_is_waited_for() -> None:
    turn = Turn(config(retries={"maxRetryAfter": 30}))
    await turn.ask()
    assert await turn.say(Failure.RATE_LIMITED, 30) == "cloud"


async def test_the_retries_of_each_provider_are_counted_anew() -> None:
    turn = Turn(config(circuitBreaker={"consecutiveFailures": 9}))
    asked = [await turn.ask(), *[await turn.say(Failure.SERVER_ERROR) for _ in range(6)]]
    assert asked == ["cloud"] * 3 + ["other"] * 3 + [""]
    assert turn.clock.pauses == [0.25, 0.5, 0.25, 0.5]


async def test_who_were_told_the_same_do_not_come_back_at_once() -> None:
    pauses = []
    for dice in (0.1, 0.5, 0.9):
        turn = Turn(dice=dice)
        await turn.ask()
        await turn.say(Failure.SERVER_ERROR, 5)
        pauses += turn.clock.pauses
    assert len({*pauses, 5}) == 4
    assert all(pause > 5 for pause in pauses)


async def test_who_asks_for_too_long_is_left_at_once_and_by_later_turns_too() -> None:
    turn = Turn()
    await turn.ask()
    assert await turn.say(Failure.RATE_LIMITED, 31) == "other"
    assert turn.clock.pauses == []
    later = Turn(clock=turn.clock, known=turn.known)
    assert await later.ask() == "other"
    turn.clock.now += 31
    assert await Turn(clock=turn.clock, known=turn.known).ask() == "cloud"


async def test_nobody_waits_beyond_the_deadline() -> None:
    turn = Turn(seconds=5)
    await turn.ask()
    assert await turn.say(Failure.RATE_LIMITED, 5) == "other"
    assert turn.clock.pauses == []


async def test_when_all_asked_to_be_left_alone_the_soonest_is_waited_for() -> None:
    first = Turn()
    await first.ask()
    await first.say(Failure.OVERLOADED, 40)
    await first.say(Failure.OVERLOADED, 35)
    turn = Turn(clock=first.clock, known=first.known)
    first.clock.now += 10
    assert await turn.ask() == "other"
    assert turn.clock.pauses == [25]
    assert await turn.say(Failure.CONTEXT_WINDOW) == "cloud"
    assert turn.clock.pauses == [25, 5]


async def test_when_none_can_be_waited_for_the_caller_learns_how_long() -> None:
    first = Turn()
    await first.ask()
    await first.say(Failure.RATE_LIMITED, 50)
    await first.say(Failure.RATE_LIMITED, 40)
    turn = Turn(clock=first.clock, known=first.known)
    assert await turn.ask() == ""
    assert [(each.failure, each.retry_after) for each in turn.tries.errors] == [
        (Failure.COOLING, 50),
        (Failure.COOLING, 40),
    ]


async def test_another_key_needs_no_wait_and_is_no_retry() -> None:
    turn = Turn(config(["one", "two", "three"], retries={"maxPerProvider": 0}))
    assert await turn.ask() == "cloud/two"
    assert await turn.say(Failure.RATE_LIMITED, 5) == "cloud/three"
    assert await turn.say(Failure.UNAUTHENTICATED) == "cloud/one"
    assert await turn.say(Failure.QUOTA_EXHAUSTED) == "other"
    assert turn.clock.pauses == []


async def test_a_key_alone_that_may_be_used_at_once_is_retried_as_a_provider_is() -> None:
    turn = Turn(config(["one"]))
    await turn.ask()
    assert await turn.say(Failure.RATE_LIMITED, 0) == "cloud/one"
    assert await turn.say(Failure.RATE_LIMITED, 0) == "cloud/one"
    assert turn.clock.pauses == [0.25, 0.5]
    assert await turn.say(Failure.RATE_LIMITED, 0) == "other"


@pytest.mark.parametrize("failure", [Failure.SERVER_ERROR, Failure.RATE_LIMITED, Failure.REJECTED])
async def test_a_key_that_is_not_at_fault_is_not_dead(failure: Failure) -> None:
    turn = Turn(config(["one", "two"]))
    await turn.ask()
    await turn.say(failure)
    assert not any(turn.dead.values())


async def test_a_dead_key_is_not_tried_again_in_the_turn() -> None:
    turn = Turn(config(["one", "two"]))
    assert await turn.ask() == "cloud/two"
    assert await turn.say(Failure.UNAUTHENTICATED) == "cloud/one"
    assert await turn.say(Failure.SERVER_ERROR) == "cloud/one"
    assert await turn.say(Failure.UNAUTHENTICATED) == "other"


async def test_another_call_of_the_turn_knows_its_dead_keys() -> None:
    made = config(["one", "two"])
    first = Turn(made)
    assert await first.ask() == "cloud/two"
    assert await first.say(Failure.SERVER_ERROR) == "cloud/two"
    assert await first.say(Failure.NOT_FOUND) == "cloud/one"
    second = Turn(made, clock=first.clock, known=first.known, dead=first.dead)
    assert await second.ask() == "cloud/one"
    third = Turn(made, clock=first.clock, known=first.known, dead=first.dead)
    assert await third.ask() == "cloud/one"
    assert await third.say(Failure.UNAUTHENTICATED) == "other"
    fourth = Turn(made, clock=first.clock, known=first.known, dead=first.dead)
    assert await fourth.ask() == "other"
    assert [each.failure for each in fourth.tries.errors] == [Failure.UNAUTHENTICATED]
    assert await Turn(made, clock=first.clock, known=first.known).ask() == "cloud/two", "another turn tries it"


async def test_a_key_that_dies_while_the_breaker_is_open_is_dead_too() -> None:
    made = config(["one", "two"], circuitBreaker={"consecutiveFailures": 1})
    turn = Turn(made)
    beside = Turn(made, clock=turn.clock, known=turn.known)
    assert await turn.ask() == "cloud/two"
    await beside.ask()
    await beside.say(Failure.SERVER_ERROR)
    assert await turn.say(Failure.UNAUTHENTICATED) == "other"
    assert turn.dead["cloud"] == {"two"}


async def test_keys_take_turns_from_turn_to_turn() -> None:
    made = config(["one", "two"])
    first = Turn(made)
    assert await first.ask() == "cloud/two"
    assert await Turn(made, clock=first.clock, known=first.known).ask() == "cloud/one"


async def test_an_unanswered_request_is_sent_once_more_and_counts_as_none() -> None:
    turn = Turn(config(fallback={"maxAttempts": 1}, retries={"maxPerProvider": 0}))
    assert await turn.ask() == "cloud"
    assert await turn.say(Failure.UNANSWERED) == "cloud"
    assert await turn.say(Failure.UNANSWERED) == ""


async def test_attempts_are_counted_retries_among_them() -> None:
    turn = Turn(config(fallback={"maxAttempts": 2}))
    assert await turn.ask() == "cloud"
    assert await turn.say(Failure.SERVER_ERROR) == "cloud"
    assert await turn.say(Failure.SERVER_ERROR) == ""


async def test_no_other_provider_after_a_failure_that_is_not_declared() -> None:
    turn = Turn(config(fallback={"errors": ["Timeout"]}, retries={"maxPerProvider": 1}))
    assert await turn.ask() == "cloud"
    assert await turn.say(Failure.SERVER_ERROR) == "cloud"
    assert await turn.say(Failure.SERVER_ERROR) == ""


async def test_nor_one_that_was_passed_over_before() -> None:
    made = config(fallback={"errors": ["Timeout"]}, retries={"maxPerProvider": 0})
    turn = Turn(made)
    turn.known["cloud"].failed(None, ProviderError(Failure.OVERLOADED, retry_after=5))
    assert await turn.ask() == "other"
    assert await turn.say(Failure.SERVER_ERROR) == ""
    assert turn.clock.pauses == []


async def test_a_retry_that_fails_otherwise_is_judged_by_how_it_failed() -> None:
    turn = Turn(config(fallback={"errors": ["Timeout"]}, retries={"maxPerProvider": 1}))
    await turn.ask()
    assert await turn.say(Failure.SERVER_ERROR) == "cloud"
    assert await turn.say(Failure.FIRST_TOKEN_TIMEOUT) == "other"


async def test_an_open_breaker_takes_the_provider_out_until_it_is_probed() -> None:
    first = Turn(config(retries={"maxPerProvider": 2}))
    await first.ask()
    await first.say(Failure.SERVER_ERROR)
    await first.say(Failure.SERVER_ERROR)
    assert await first.say(Failure.SERVER_ERROR) == "other"
    turn = Turn(clock=first.clock, known=first.known)
    assert await turn.ask() == "other"
    assert [each.failure for each in turn.tries.errors] == [Failure.BREAKER_OPEN]
    first.clock.now += 15
    probe, beside = Turn(clock=first.clock, known=first.known), Turn(clock=first.clock, known=first.known)
    assert await probe.ask() == "cloud"
    assert await beside.ask() == "other"
    assert [each.failure for each in beside.tries.errors] == [Failure.BREAKER_OPEN]
    assert probe.tried is not None
    probe.tries.answered(probe.tried)
    assert probe.known["cloud"].last_failure == ""
    assert await Turn(clock=first.clock, known=first.known).ask() == "cloud"


async def test_an_opening_breaker_ends_the_retries() -> None:
    turn = Turn(config(retries={"maxPerProvider": 5}, circuitBreaker={"consecutiveFailures": 2}))
    await turn.ask()
    assert await turn.say(Failure.SERVER_ERROR) == "cloud"
    assert await turn.say(Failure.SERVER_ERROR) == "other"
    assert len(turn.clock.pauses) == 1


async def test_retries_stop_where_their_budget_ends() -> None:
    made = config(circuitBreaker={"consecutiveFailures": 1000, "minimumRequests": 512}, retries={"maxPerProvider": 1})
    first = Turn(made, dice=0)
    retried = 0
    for _ in range(30):
        turn = Turn(made, clock=first.clock, known=first.known, dice=0)
        assert await turn.ask() == "cloud"
        retried += await turn.say(Failure.SERVER_ERROR) == "cloud"
    assert retried == 15  # ten saved, and a fifth of thirty turns but for the share of those that found it full


FAILURES = st.sampled_from([each for each in Failure if each not in {Failure.COOLING, Failure.BREAKER_OPEN}])


@given(
    run=st.lists(st.tuples(FAILURES, st.one_of(st.none(), st.floats(0, 100))), max_size=40),
    keys=st.sampled_from([(), ("one",), ("one", "two", "three")]),
    dice=st.floats(0, 1),
)
async def test_laws(run: Sequence[tuple[Failure, float | None]], keys: Sequence[str], dice: float) -> None:
    """Whatever fails: a bounded number of requests, no wait beyond the bound or the deadline, no dead key, never back."""
    turn = Turn(config(keys), dice=dice, seconds=20)
    begun = turn.clock.now
    asked = [await turn.ask()]
    dead: set[str] = set()
    for failure, retry_after in run:
        if turn.tried is None:
            break
        key = turn.tried.key
        if key and failure.of_key and failure is not Failure.RATE_LIMITED:
            dead.add(key.name)
        asked.append(await turn.say(failure, retry_after))
        assert turn.tried is None or turn.tried.key is None or turn.tried.key.name not in dead
    made = [each for each in asked if each]
    assert len(made) <= 8 + 2
    assert turn.clock.now <= begun + 20
    assert all(pause <= 30 + 8 for pause in turn.clock.pauses)
    names = [each.partition("/")[0] for each in made]
    assert names == sorted(names)


async def test_a_try_that_nobody_pays_for_counts_as_none_and_leads_to_the_next() -> None:
    turn = Turn(config(fallback={"maxAttempts": 1}))
    assert await turn.ask() == "cloud"
    refused = Refused(BUDGET_SPENT, "There is no room.")
    turn.tries.unpaid(refused)
    assert await turn.ask() == "other"
    assert await turn.say(Failure.SERVER_ERROR) == ""
    assert turn.tries.refusal is refused


async def test_what_is_told_of_money_is_what_was_wanting_first() -> None:
    turn = Turn()
    first, second = Refused(BUDGET_SPENT, "Of the first."), Refused(BUDGET_SPENT, "Of the second.")
    for refused in (first, second):
        await turn.ask()
        turn.tries.unpaid(refused)
    assert await turn.ask() == ""
    assert turn.tries.refusal is first


async def test_a_prompt_that_outgrows_a_provider_counts_as_no_try() -> None:
    turn = Turn(config(fallback={"maxAttempts": 1}, retries={"maxPerProvider": 5}))
    assert await turn.ask() == "cloud"
    turn.tries.outgrown()
    assert await turn.ask() == "other"
    assert await turn.say(Failure.SERVER_ERROR) == ""
    assert [(each.failure, each.retry_after) for each in turn.tries.errors] == [
        (Failure.CONTEXT_WINDOW, None),
        (Failure.SERVER_ERROR, None),
    ]


async def test_a_turn_may_go_on_while_somebody_is_left_and_an_attempt() -> None:
    turn = Turn(config(fallback={"maxAttempts": 2}))
    turn.known["cloud"].failed(None, ProviderError(Failure.OVERLOADED, retry_after=5))
    assert turn.tries.may_go_on
    assert await turn.ask() == "other"
    assert turn.tries.may_go_on, "the first may be waited for"
    assert await turn.say(Failure.CONTEXT_WINDOW) == "cloud"
    assert not turn.tries.may_go_on
    last = Turn()
    assert await last.ask() == "cloud"
    assert await last.say(Failure.CONTEXT_WINDOW) == "other"
    assert not last.tries.may_go_on, "nobody is left"
    single = Turn(config(fallback={"maxAttempts": 1}))
    assert await single.ask() == "cloud"
    assert not single.tries.may_go_on, "no attempt is left"


async def test_a_provider_at_its_limits_leaves_the_turn_its_attempts_and_no_more() -> None:
    turn = Turn(config(fallback={"maxAttempts": 2}, retries={"maxPerProvider": 5}))
    assert await turn.ask() == "cloud"
    assert turn.tried is not None
    turn.tries.limited(turn.tried, 60.0)
    assert await turn.ask() == "other"
    assert await turn.say(Failure.SERVER_ERROR) == "other"
    assert await turn.say(Failure.SERVER_ERROR) == ""


async def test_a_provider_at_its_limits_is_passed_over_and_asked_later_once() -> None:
    turn = Turn(config(fallback={"maxAttempts": 1}))
    assert await turn.ask() == "cloud"
    assert turn.tried is not None
    turn.tries.limited(turn.tried, 2.0)
    assert await turn.ask() == "other"
    turn.tries.limited(turn.tried, 5.0)
    assert await turn.ask() == "cloud"
    assert turn.clock.pauses == [2.0]
    turn.tries.limited(turn.tried, 9.0)
    assert await turn.ask() == "other"
    turn.tries.limited(turn.tried, 9.0)
    assert await turn.ask() == ""
    assert [(each.failure, each.retry_after) for each in turn.tries.errors] == [
        (Failure.LIMITED, 2.0),
        (Failure.LIMITED, 5.0),
        (Failure.LIMITED, 9.0),
        (Failure.LIMITED, 9.0),
    ]


async def test_nobody_waits_for_a_limit_beyond_what_a_turn_waits_for_a_provider() -> None:
    turn = Turn(config(retries={"maxRetryAfter": 30}))
    for name in ("cloud", "other"):
        assert await turn.ask() == name
        assert turn.tried is not None
        turn.tries.limited(turn.tried, 60.0)
    assert await turn.ask() == ""
    assert turn.clock.pauses == []
