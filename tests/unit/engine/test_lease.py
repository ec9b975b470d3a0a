import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from regent_operator.engine.client import WRITE_SECONDS
from regent_operator.engine.errors import ApiError
from regent_operator.engine.lease import DURATION_SECONDS, RENEW_SECONDS, STANDBY_SECONDS, Leadership
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient

Make = Callable[[str], Leadership]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client() -> FakeClient:
    made = FakeClient()
    made.leads = False
    return made


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
    assert RENEW_SECONDS + WRITE_SECONDS < DURATION_SECONDS, "the last write has ended by then"
    await one._attempt()
    assert not one.held.is_set()


def test_a_dead_leader_is_followed_within_twenty_seconds_and_one_that_stops_within_two() -> None:
    """Two looks: one that sees the Lease as it stays, and one that finds it expired."""
    assert DURATION_SECONDS + 2 * STANDBY_SECONDS <= 20
    assert STANDBY_SECONDS <= 2


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


@pytest.mark.parametrize("verb", ["create", "replace"])
async def test_who_finds_that_an_unanswered_write_has_made_it_the_leader_begins(
    replica: Make, client: FakeClient, clock: Clock, began: list[str], verb: str
) -> None:
    one, two = replica("one"), replica("two")
    await attempt(one)
    await one._release()
    one._step_down("a pause")
    await attempt(two)
    await two._release()
    if verb == "create":
        del client.objects["Lease", "ns", "lease"]
    original = getattr(client, verb)

    async def unanswered(*words: Any, **more: Any) -> Any:
        await original(*words, **more)
        raise ApiError(0, "Unreachable", "the answer was lost")

    setattr(client, verb, unanswered)
    assert not await attempt(one)
    assert lease(client)["holderIdentity"] == "one"
    setattr(client, verb, original)
    assert await attempt(one)
    assert await attempt(one)
    assert began == ["one", "two", "one"]


async def test_who_was_frozen_while_another_led_begins_anew(
    replica: Make, client: FakeClient, clock: Clock, began: list[str]
) -> None:
    one, two = replica("one"), replica("two")
    await attempt(one)
    await attempt(two)
    clock.advance(DURATION_SECONDS + 1)
    assert await attempt(two)
    await two._release()
    assert one.held.is_set(), "it has not looked since"
    assert await attempt(one)
    assert began == ["one", "two", "one"]


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


async def test_a_lease_that_has_another_holder_by_now_is_not_given_back(replica: Make, client: FakeClient) -> None:
    one = replica("one")
    await attempt(one)
    lease(client).update(holderIdentity="two", renewTime="later")
    await one._release()
    assert lease(client)["holderIdentity"] == "two"
    del client.objects["Lease", "ns", "lease"]
    await one._release()
    assert client.objects == {}


async def test_who_stops_leads_no_more_and_gives_the_lease_back(replica: Make, client: FakeClient) -> None:
    one = replica("one")
    held = []
    original = client.replace

    async def replaced(*words: Any, **more: Any) -> Any:
        held.append(one.held.is_set())
        return await original(*words, **more)

    client.replace = replaced  # type: ignore[method-assign]
    running = asyncio.create_task(one.run())
    await asyncio.wait_for(one.held.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert held == [False], "it has stopped before another can begin"
    assert (lease(client)["holderIdentity"], lease(client)["leaseTransitions"]) == ("", 0)


async def test_each_change_of_the_holder_is_counted_and_when_it_came(
    replica: Make, client: FakeClient, clock: Clock
) -> None:
    one, two = replica("one"), replica("two")
    seen = []
    for leader in (one, one, two, two, one):
        if seen and leader.identity != lease(client)["holderIdentity"]:
            await (one if leader is two else two)._release()
        await attempt(leader)
        clock.advance(2)
        seen.append((lease(client)["leaseTransitions"], lease(client)["acquireTime"][14:19]))
    assert seen == [(0, "16:40"), (0, "16:40"), (1, "16:44"), (1, "16:44"), (2, "16:48")]


async def test_after_a_lease_that_was_deleted_it_begins_anew(
    replica: Make, client: FakeClient, clock: Clock, began: list[str]
) -> None:
    """Another may have led meanwhile."""
    one = replica("one")
    for _ in range(2):
        await attempt(one)
    clock.advance(RENEW_SECONDS + 1)
    client.failure = ApiError(0, "Unreachable", "away")
    assert not await attempt(one)
    client.failure = None
    del client.objects["Lease", "ns", "lease"]
    assert await attempt(one)
    assert began == ["one", "one"]


@pytest.mark.parametrize("spec", [{}, {"spec": {}}, {"spec": {"holderIdentity": None, "leaseTransitions": None}}])
async def test_a_lease_that_somebody_has_laid_ready_is_taken(
    replica: Make, client: FakeClient, spec: dict[str, Any]
) -> None:
    client.objects["Lease", "ns", "lease"] = {"metadata": {"resourceVersion": "7", "uid": "u"}, **spec}
    assert await attempt(replica("one"))
    assert lease(client)["leaseTransitions"] == 1


@pytest.mark.parametrize(("stated", "seconds"), [(40, 40), (None, DURATION_SECONDS)])
async def test_a_leader_is_given_as_long_as_it_says(
    replica: Make, client: FakeClient, clock: Clock, stated: int | None, seconds: int
) -> None:
    await attempt(replica("one"))
    lease(client)["leaseDurationSeconds"] = stated
    two = replica("two")
    assert not await attempt(two)
    clock.advance(seconds)
    assert not await attempt(two)
    clock.advance(0.1)
    assert await attempt(two)


async def test_a_refusal_is_told_once_and_again_after_it_was_over(
    replica: Make, client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    one = replica("one")

    async def told(failure: ApiError | None) -> int:
        caplog.clear()
        client.failure = failure
        for _ in range(3):
            await one._attempt()
        return sum("cannot be read or written" in each for each in caplog.messages)

    forbidden = ApiError(403, "Forbidden", "no")
    assert [await told(each) for each in (forbidden, ApiError(500, "Internal", "no"), None, forbidden)] == [1, 1, 0, 1]


async def test_it_says_how_long_ago_it_looked(replica: Make, clock: Clock) -> None:
    one = replica("one")
    clock.advance(3)
    assert one.seconds_since_attempt == 3
    await attempt(one)
    clock.advance(2)
    assert one.seconds_since_attempt == 2


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
