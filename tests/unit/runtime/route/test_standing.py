from typing import Any

import pytest

from regent_runtime.route.breaker import State
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.route.standing import COOL_SECONDS, QUOTA_SECONDS, Standing, standings
from tests.fakes import configs
from tests.fakes.clocks import Clock

KEYS = [{"name": name, "secret": "cloud", "key": name} for name in ("one", "two")]


def config(**more: Any) -> Any:
    cloud = configs.provider_config("cloud", "https://cloud.test/v1", **{"type": "OpenAI", "credentials": KEYS, **more})
    return configs.config(cloud, configs.provider_config("local", "http://127.0.0.1:1/v1"))


CONFIG = config()
CLOUD, LOCAL = CONFIG.route.providers
ONE, TWO = CLOUD.credentials


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_keys_take_turns(clock: Clock) -> None:
    standing = Standing(CONFIG, CLOUD, clock)
    assert [standing.begin(CLOUD, ()) for _ in range(4)] == [(TWO, 0), (ONE, 0), (TWO, 0), (ONE, 0)]


def test_a_provider_without_keys_has_the_one_that_is_none(clock: Clock) -> None:
    assert Standing(CONFIG, LOCAL, clock).begin(LOCAL, ()) == (None, 0)


def test_a_dead_key_is_passed_over(clock: Clock) -> None:
    standing = Standing(CONFIG, CLOUD, clock)
    assert {standing.soonest(CLOUD, {"one"}), standing.soonest(CLOUD, {"two"})} == {(TWO, 0.0), (ONE, 0.0)}
    assert standing.soonest(CLOUD, {"one", "two"}) is None


@pytest.mark.parametrize(
    ("failure", "asked", "one", "two"),
    [
        (Failure.RATE_LIMITED, None, COOL_SECONDS, 0),
        (Failure.RATE_LIMITED, 7.0, 7, 0),
        (Failure.RATE_LIMITED, 0.0, 0, 0),
        (Failure.QUOTA_EXHAUSTED, None, QUOTA_SECONDS, 0),
        (Failure.OVERLOADED, None, COOL_SECONDS, COOL_SECONDS),
        (Failure.OVERLOADED, 7.0, 7, 7),
        (Failure.SERVER_ERROR, 7.0, 7, 7),
        (Failure.SERVER_ERROR, None, 0, 0),
        (Failure.UNAUTHENTICATED, None, 0, 0),
        (Failure.REJECTED, 7.0, 0, 0),
        (Failure.CONTENT_FILTER, 7.0, 0, 0),
    ],
)
def test_who_is_left_alone(clock: Clock, failure: Failure, asked: float | None, one: float, two: float) -> None:
    standing = Standing(CONFIG, CLOUD, clock)
    standing.failed(ONE, ProviderError(failure, retry_after=asked))
    assert (standing.cooled_for(ONE), standing.cooled_for(TWO)) == (one, two)
    clock.now += 60
    assert (standing.cooled_for(ONE), standing.cooled_for(TWO)) == (0, 0)


def test_the_key_that_may_be_used_now_goes_first_and_else_the_soonest(clock: Clock) -> None:
    standing = Standing(CONFIG, CLOUD, clock)
    standing.failed(TWO, ProviderError(Failure.RATE_LIMITED, retry_after=5))
    assert standing.begin(CLOUD, ()) == (ONE, 0)
    standing.failed(ONE, ProviderError(Failure.RATE_LIMITED, retry_after=9))
    assert standing.begin(CLOUD, ()) == (TWO, 5)


def test_a_shorter_wait_does_not_end_a_longer_one(clock: Clock) -> None:
    standing = Standing(CONFIG, CLOUD, clock)
    standing.failed(ONE, ProviderError(Failure.RATE_LIMITED, retry_after=9))
    standing.failed(ONE, ProviderError(Failure.RATE_LIMITED, retry_after=1))
    assert standing.cooled_for(ONE) == 9


def test_its_figures(clock: Clock) -> None:
    standing = Standing(CONFIG, LOCAL, clock)
    assert standing.status(LOCAL) == {
        "name": "local",
        "breaker": "closed",
        "coolingSeconds": 0.0,
        "lastFailure": "",
        "firstWordSeconds": {},
    }
    standing.latency.measured(0.25, stream=True)
    assert standing.status(LOCAL)["firstWordSeconds"] == {"streamed": 0.25}
    standing.failed(None, ProviderError(Failure.OVERLOADED))
    assert standing.status(LOCAL)["coolingSeconds"] == COOL_SECONDS
    assert standing.status(LOCAL)["lastFailure"] == "overloaded"
    standing.answered()
    assert standing.status(LOCAL)["lastFailure"] == ""


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({}, True),
        ({"maxSensitivity": "Internal"}, True),
        ({"maxOutputTokens": 5}, True),
        ({"baseURL": "https://other.test/v1"}, False),
        ({"model": "other"}, False),
        ({"credentials": KEYS[:1]}, False),
    ],
)
def test_it_stays_while_the_provider_stays(clock: Clock, change: dict[str, Any], stays: bool) -> None:
    before = standings(CONFIG, {}, clock)
    after = standings(config(**change), before, clock)
    assert (after["cloud"] is before["cloud"]) is stays
    assert after["local"] is before["local"]


def test_a_new_breaker_begins_closed(clock: Clock) -> None:
    before = standings(CONFIG, {}, clock)
    edited = CONFIG.model_copy(
        update={
            "route": CONFIG.route.model_copy(
                update={"circuit_breaker": CONFIG.route.circuit_breaker.model_copy(update={"open_for": 1.0})}
            )
        }
    )
    after = standings(edited, before, clock)
    assert after["cloud"] is not before["cloud"]
    assert after["cloud"].breaker.state is State.CLOSED
