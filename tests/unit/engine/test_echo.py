import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from regent_operator.engine.echo import EAGERNESS, QUICK_LIMIT_SECONDS, SLOW_SECONDS, SOONEST_SECONDS, EchoRounds
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import MISSES, Pods
from regent_operator.engine.resources import PODS, Key
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient

AGENT = Key("AIAgent", "n", "a")
NEW, OLD = "sha256:" + "1" * 64, "sha256:" + "0" * 64


def pod(
    name: str = "a-1",
    version: int = 1,
    *,
    ready: bool = True,
    address: str = "127.0.0.9",
    owner: str = "ReplicaSet",
    phase: str = "Running",
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "n",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": {"regent.dev/agent": "a"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner, "name": "a-7", "controller": True}],
        },
        "status": {"podIP": address, "phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def statusz(digest: str, name: str = "a-1") -> dict[str, Any]:
    digests = {"config": digest, "policy": digest, "route": digest}
    return {"pod": {"name": name, "uid": f"uid-{name}"}, "digests": digests}


class Scene:
    def __init__(self) -> None:
        self.clock = Clock()
        self.client = FakeClient()
        self.heard: list[Key] = []
        self.pods = Pods(lambda _: None, self.heard.append)
        self.leads = True
        self.waits = False
        """The agent for its look."""
        self.rounds = EchoRounds(
            self.client,  # type: ignore[arg-type]
            self.pods,
            lambda: self.leads,
            self.clock,
            jitter=lambda: 0.5,
            waits=lambda _: self.waits,
        )

    async def run_until(self, seconds: float) -> list[float]:
        """When, counted from now, the pod was asked in virtual time."""
        task = asyncio.create_task(self.rounds.run())
        start, asked = self.clock(), []
        try:
            while self.clock() - start < seconds:
                before = len(self.client.calls)
                for _ in range(8):
                    await asyncio.sleep(0)
                asked += [round(self.clock() - start, 2)] * (len(self.client.calls) - before)
                self.clock.advance(0.05)
                self.rounds._woken.set()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return asked

    def echo(self) -> str | None:
        echo = self.pods.of(AGENT)[0].seen.echo
        return echo.digests.config if echo and echo.digests else None


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.pods.seen(PODS, pod(), full=True)
    return made


async def test_after_a_change_pods_are_asked_at_once_and_ever_more_slowly(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.rounds.expect(AGENT, NEW)
    asked = await scene.run_until(30)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert asked[0] <= SOONEST_SECONDS + 0.06
    assert all(gap <= max(SOONEST_SECONDS, at * EAGERNESS) + 0.11 for at, gap in zip(asked, gaps, strict=False))
    assert max(gaps) <= QUICK_LIMIT_SECONDS + 0.11
    assert len(asked) < 35


async def test_a_change_that_takes_a_second_in_the_pod_is_known_within_a_second_and_a_half(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(1.0)
    assert scene.echo() == OLD
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    await scene.run_until(0.5)
    assert scene.echo() == NEW


async def test_pods_that_prove_the_config_are_asked_now_and_then(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.rounds.expect(AGENT, NEW)
    assert len(await scene.run_until(SLOW_SECONDS * 0.6)) == 1
    assert scene.heard == [AGENT]


async def test_pods_that_prove_the_config_of_an_agent_that_waits_for_its_look_are_asked_beside_it(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.waits = True
    scene.rounds.expect(AGENT, NEW)
    assert len(await scene.run_until(5 * SLOW_SECONDS)) == 1, "it had to show itself"
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.waits = False
    await scene.rounds.meet(AGENT)
    assert len(scene.client.calls) == 1, "a look, which may bring an edit, does not wait for them"
    assert len(await scene.run_until(SOONEST_SECONDS / 2)) == 1
    assert scene.echo() == OLD


async def test_pods_of_an_agent_that_waited_for_its_look_are_asked_now_and_then_again(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.waits = True
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(3 * SLOW_SECONDS)
    scene.waits = False
    assert len(await scene.run_until(3 * SLOW_SECONDS)) >= 2


async def test_an_agent_that_waits_for_its_look_without_a_pod_owes_no_question(scene: Scene) -> None:
    scene.waits = True
    scene.pods.seen(PODS, pod(version=2, address=""), full=True)
    scene.rounds.expect(AGENT, NEW)
    scene.rounds.look(AGENT)
    await scene.run_until(1)
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.pods.seen(PODS, pod(version=3), full=True)
    scene.rounds.look(AGENT)
    await scene.run_until(1)
    await scene.rounds.meet(AGENT)
    assert scene.client.calls == [("ask", "127.0.0.9")]


async def test_while_a_pod_lags_it_is_asked_although_the_look_waits(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.waits = True
    scene.rounds.expect(AGENT, NEW)
    assert len(await scene.run_until(5)) > 5 / QUICK_LIMIT_SECONDS


async def test_a_standby_asks_nobody(scene: Scene) -> None:
    scene.leads = False
    scene.rounds.expect(AGENT, NEW)
    assert await scene.run_until(5) == []


async def test_an_answer_of_another_pod_at_the_same_address_does_not_count(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW, "someone-else")
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(2)
    assert scene.echo() is None


async def test_one_lost_answer_changes_nothing_and_three_do(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(0.5)
    del scene.client.pods["127.0.0.9"]
    for _ in range(MISSES - 1):
        scene.rounds.look(AGENT)
        await scene.run_until(0.2)
        assert scene.echo() == NEW
    scene.rounds.look(AGENT)
    await scene.run_until(0.2)
    assert scene.echo() is None


async def test_an_answer_of_another_shape_is_no_echo(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = {"pod": "a-1"}
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(1)
    assert scene.echo() is None


@pytest.mark.parametrize("error", [RecursionError("deep"), OverflowError("1e999"), KeyError("pod")], ids=type)
async def test_no_answer_of_a_pod_ends_the_rounds(scene: Scene, error: Exception) -> None:
    async def broken(address: str, seconds: float) -> dict[str, Any]:
        raise error

    honest, scene.client.pod_status = scene.client.pod_status, broken  # type: ignore[method-assign]
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(1)
    assert scene.echo() is None
    scene.client.pod_status = honest  # type: ignore[method-assign]
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    await scene.run_until(1)
    assert scene.echo() == NEW


async def test_a_pod_that_no_replica_set_controls_proves_nothing(scene: Scene) -> None:
    scene.pods.seen(PODS, pod("stray", address="127.0.0.7", owner="Job"), full=True)
    scene.client.pods |= {"127.0.0.7": statusz(NEW, "stray"), "127.0.0.9": statusz(NEW)}
    scene.rounds.expect(AGENT, NEW)
    await scene.rounds.meet(AGENT)
    await scene.run_until(1)
    assert {call[1] for call in scene.client.calls} == {"127.0.0.9"}
    assert [p.seen.echo is not None for p in scene.pods.of(AGENT)] == [True, False]


async def test_a_new_leader_asks_anew(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(1)
    scene.pods.forget_echoes()
    scene.rounds.forget_all()
    assert scene.echo() is None
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    await scene.rounds.meet(AGENT)
    assert scene.echo() == OLD
    scene.rounds.expect(AGENT, NEW)
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    assert await scene.run_until(1)
    assert scene.echo() == NEW


async def test_who_was_just_met_and_holds_what_is_expected_is_not_asked_at_once_again(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    await scene.rounds.meet(AGENT)
    scene.rounds.expect(AGENT, NEW)
    assert await scene.run_until(SLOW_SECONDS * 0.6) == []
    assert len(await scene.run_until(SLOW_SECONDS)) == 1


async def test_to_meet_asks_each_serving_pod_once(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.pods.seen(PODS, pod("a-2", ready=False, address="127.0.0.8"), full=True)
    await scene.rounds.meet(AGENT)
    await scene.rounds.meet(AGENT)
    assert scene.client.calls == [("ask", "127.0.0.9")]
    assert scene.echo() == NEW


async def test_all_that_serve_are_met_when_each_has_answered_or_was_asked_often_enough(scene: Scene) -> None:
    scene.pods.seen(PODS, pod("a-2", address="127.0.0.8"), full=True)
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    assert not await scene.rounds.meet(AGENT), "the second has not answered"
    for _ in range(MISSES):
        scene.pods.silent("uid-a-2")
    assert await scene.rounds.meet(AGENT)


async def test_what_is_expected_already_is_not_asked_for_again(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(NEW)
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(1)
    scene.rounds.expect(AGENT, NEW)
    assert await scene.run_until(5) == []


async def test_where_nothing_is_expected_pods_are_asked_now_and_then(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.rounds.expect(AGENT, None)
    assert len(await scene.run_until(SLOW_SECONDS * 0.6)) == 1


async def test_while_one_of_two_pods_lags_both_are_asked_quickly(scene: Scene) -> None:
    scene.pods.seen(PODS, pod("a-2", address="127.0.0.8"), full=True)
    scene.client.pods |= {"127.0.0.9": statusz(NEW), "127.0.0.8": statusz(OLD, "a-2")}
    scene.rounds.expect(AGENT, NEW)
    assert len(await scene.run_until(5)) > 2 * 5 / QUICK_LIMIT_SECONDS


async def test_after_a_change_of_a_pod_it_is_asked_quickly_again(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.rounds.expect(AGENT, NEW)
    await scene.run_until(30)
    scene.rounds.look(AGENT)
    assert len([at for at in await scene.run_until(1) if at < 1]) > 3


async def test_who_has_no_address_or_has_ended_is_not_asked(scene: Scene) -> None:
    scene.pods.seen(PODS, pod("a-1", 2, phase="Failed"), full=True)
    scene.pods.seen(PODS, pod("a-2", address=""), full=True)
    scene.rounds.expect(AGENT, NEW)
    assert await scene.run_until(2) == []


async def test_of_an_agent_that_is_gone_nobody_is_asked(scene: Scene) -> None:
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.rounds.expect(AGENT, NEW)
    scene.rounds._put_off.add(AGENT)
    scene.rounds.forget(AGENT)
    assert await scene.run_until(2) == []
    assert (scene.rounds._expected, scene.rounds._next, scene.rounds._put_off) == ({}, {}, set())


OFFER = {"agent.json": "{}", "agent.seal.json": "{}"}


async def shown(scene: Scene) -> None:
    """The pod has said once what it holds: the old config."""
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.rounds.expect(AGENT, OLD)
    await scene.run_until(0.5)
    scene.client.calls.clear()


async def test_a_new_config_goes_along_with_the_question_and_its_answer_is_the_echo(scene: Scene) -> None:
    await shown(scene)
    scene.client.offered["127.0.0.9"] = statusz(NEW)
    scene.rounds.offer(AGENT, NEW, OFFER)
    assert await scene.run_until(5) == [0.0]
    assert scene.client.calls == [("offer", "127.0.0.9")]
    assert scene.echo() == NEW


async def test_a_pod_that_cannot_be_offered_a_config_is_asked_as_before(scene: Scene) -> None:
    """A runtime of an older version, or one that refuses the document: it says so once, and is asked what it holds."""
    await shown(scene)
    scene.rounds.offer(AGENT, NEW, OFFER)
    await scene.run_until(1)
    assert scene.client.calls[:2] == [("offer", "127.0.0.9"), ("ask", "127.0.0.9")]
    assert {call[0] for call in scene.client.calls[2:]} == {"ask"}
    assert scene.echo() == OLD


@pytest.mark.parametrize("error", [ApiError(0, "Unreachable", "lost"), ApiError(503, "NotServing", "full")], ids=str)
async def test_an_offer_that_was_lost_is_made_again(scene: Scene, error: ApiError) -> None:
    await shown(scene)
    scene.client.offered["127.0.0.9"] = error
    scene.rounds.offer(AGENT, NEW, OFFER)
    await scene.run_until(0.3)
    assert {call[0] for call in scene.client.calls} == {"offer"}
    scene.client.offered["127.0.0.9"] = statusz(NEW)
    await scene.run_until(1)
    assert scene.echo() == NEW


async def test_a_pod_that_never_showed_itself_is_asked_before_it_is_offered_anything(scene: Scene) -> None:
    scene.client.offered["127.0.0.9"] = statusz(NEW)
    scene.client.pods["127.0.0.9"] = statusz(OLD)
    scene.rounds.offer(AGENT, NEW, OFFER)
    await scene.run_until(1)
    assert [call[0] for call in scene.client.calls] == ["ask", "offer"]
    assert scene.echo() == NEW


async def test_what_every_pod_has_taken_is_not_offered_to_one_that_comes_later(scene: Scene) -> None:
    """It mounts the ConfigMap; nothing is kept for it."""
    await shown(scene)
    scene.client.offered |= {"127.0.0.9": statusz(NEW), "127.0.0.8": statusz(NEW, "a-2")}
    scene.client.pods |= {"127.0.0.9": statusz(NEW), "127.0.0.8": statusz(OLD, "a-2")}
    scene.rounds.offer(AGENT, NEW, OFFER)
    await scene.run_until(1)
    scene.pods.seen(PODS, pod("a-2", address="127.0.0.8"), full=True)
    scene.rounds.look(AGENT)
    await scene.run_until(2)
    assert ("offer", "127.0.0.8") not in scene.client.calls
    assert ("ask", "127.0.0.8") in scene.client.calls


def test_a_pod_that_is_gone_is_forgotten_with_its_echo(scene: Scene) -> None:
    scene.pods.gone(PODS, "n", "a-1", "uid-a-1")
    assert scene.pods.of(AGENT) == []
    assert len(scene.pods) == 0
