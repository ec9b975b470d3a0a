from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from regent_operator.engine.errors import ApiError
from regent_operator.engine.lease import DURATION_SECONDS, RENEW_SECONDS, Leadership
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient

Make = Callable[[str], Leadership]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def began() -> list[str]:
    return []


@pytest.fixture
def replica(client: FakeClient, clock: Clock, began: list[str]) -> Make:
    def make(name: str) -> Leadership:
        return Leadership(
            client,  # type: ignore[arg-type]
            "ns",
            "lease",
            name,
            lambda: began.append(name),
            clock,
            lambda: datetime.fromtimestamp(clock(), UTC),
        )

    return make


async def attempt(replica: Leadership) -> bool:
    await replica._attempt()
    return replica.holds()


def lease(client: FakeClient) -> dict[str, Any]:
    found: dict[str, Any] = client.objects["Lease", "ns", "lease"]["spec"]
    return found


async def test_the_first_leads_and_the_second_stands_by(replica: Make, began: list[str]) -> None:
    one, two = replica("one"), replica("two")
    assert await attempt(one)
    assert not await attempt(two)
    assert began == ["one"]


async def test_it_keeps_leading_while_it_renews(replica: Make, clock: Clock, began: list[str]) -> None:
    one, two = replica("one"), replica("two")
    for _ in range(30):
        assert await attempt(one)
        assert not await attempt(two)
        clock.advance(2)
    assert began == ["one"]


async def test_a_silent_leader_is_followed_after_the_duration_and_no_sooner(
    replica: Make, client: FakeClient, clock: Clock
) -> None:
    one, two = replica("one"), replica("two")
    await attempt(one)
    assert not await attempt(two)
    clock.advance(DURATION_SECONDS)
    assert not await attempt(two)
    clock.advance(0.1)
    assert await attempt(two)
    assert lease(client)["leaseTransitions"] == 1
    assert not await attempt(one)


async def test_writes_stop_before_anyone_else_may_lead(replica: Make, client: FakeClient, clock: Clock) -> None:
    one = replica("one")
    await attempt(one)
    client.failure = ApiError(0, "Unreachable", "away")
    clock.advance(RENEW_SECONDS - 0.1)
    assert one.holds()
    clock.advance(0.2)
    assert not one.holds()
    assert RENEW_SECONDS < DURATION_SECONDS
    await one._attempt()
    assert not one.held.is_set()


async def test_one_failed_renewal_is_no_loss(replica: Make, client: FakeClient, clock: Clock, began: list[str]) -> None:
    one = replica("one")
    await attempt(one)
    clock.advance(2)
    client.failure = ApiError(503, "ServiceUnavailable", "busy")
    assert await attempt(one)
    client.failure = None
    clock.advance(2)
    assert await attempt(one)
    assert began == ["one"]


async def test_after_a_pause_in_which_nobody_else_led_it_goes_on(
    replica: Make, client: FakeClient, clock: Clock, began: list[str]
) -> None:
    one, two = replica("one"), replica("two")
    await attempt(one)
    clock.advance(RENEW_SECONDS + 1)
    client.failure = ApiError(0, "Unreachable", "away")
    assert not await attempt(one)
    client.failure = None
    assert await attempt(one)
    assert began == ["one"]
    assert not await attempt(two)
    clock.advance(DURATION_SECONDS + 1)
    assert await attempt(two)
    assert not await attempt(one)
    clock.advance(DURATION_SECONDS + 1)
    assert await attempt(one)
    assert began == ["one", "two", "one"], "another led meanwhile"


async def test_a_lease_taken_by_another_is_lost_at_once(replica: Make, client: FakeClient) -> None:
    one = replica("one")
    await attempt(one)
    lease(client).update(holderIdentity="two", renewTime="later")
    await one._attempt()
    assert not one.held.is_set()
    assert not one.holds()


async def test_a_released_lease_is_taken_at_once(replica: Make, client: FakeClient) -> None:
    one, two = replica("one"), replica("two")
    await attempt(one)
    assert not await attempt(two)
    await one._release()
    assert lease(client)["holderIdentity"] == ""
    assert await attempt(two)


async def test_of_two_that_write_at_once_one_leads(replica: Make, client: FakeClient) -> None:
    one = replica("one")
    original = client.get

    async def overtaken(*words: Any, **more: Any) -> Any:
        found = await original(*words, **more)
        if found is not None:
            client.objects["Lease", "ns", "lease"] = found | {
                "metadata": found["metadata"] | {"resourceVersion": "999"}
            }
        return found

    await attempt(one)
    client.get = overtaken  # type: ignore[method-assign]
    await one._attempt()
    assert not one.holds()
