"""When pods are asked to try, and what a row of trials comes to. What one trial proves: plan/test_trial.py."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from regent_operator.engine import trials
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import PODS, Key
from regent_operator.engine.trials import (
    EDIT_SECONDS,
    HELD_SECONDS,
    OPEN_SECONDS,
    SETTLE_SECONDS,
    TRIALS_AT_ONCE,
    Trials,
)
from regent_operator.plan.trial import HOLDS, OPEN, Wall
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient
from tests.unit.engine.test_echo import pod

AGENT = Key("AIAgent", "n", "a")
ADDRESS, OWN, PORT = "127.0.0.9", "127.0.0.1", 9797


class FakeCanary:
    port = PORT

    def __init__(self) -> None:
        self.listening = True
        self.came = 0
        self.failure: Exception | None = None

    @contextmanager
    def watching(self, address: str) -> Iterator[Callable[[], int]]:
        assert address == ADDRESS
        yield lambda: self.came

    async def hears(self, own: str) -> bool:
        assert own == OWN
        if self.failure is not None:
            raise self.failure
        return self.listening


class Scene:
    def __init__(self) -> None:
        self.clock, self.client, self.canary = Clock(), FakeClient(), FakeCanary()
        self.heard: list[Key] = []
        self.counted: list[str] = []
        self.leads = True
        self.pods = Pods(lambda _: None, self.heard.append)
        self.trials = Trials(
            self.client,  # type: ignore[arg-type]
            self.pods,
            self.canary,  # type: ignore[arg-type]
            lambda: self.leads,
            self.counted.append,
            self.clock,
            jitter=lambda: 0.5,
        )
        self.pods.seen(PODS, pod(), full=True)

    def says(self, outcome: str, address: str = OWN, uid: str = "uid-a-1") -> None:
        self.client.pods[ADDRESS] = {"pod": {"uid": uid}, "canary": {"address": address, "outcome": outcome}}

    def echoes(self) -> None:
        """An ordinary round of questions hears the pod."""
        self.trials.heard(self.pods.of(AGENT)[0])

    def wall(self) -> Wall | None:
        trial = self.pods.of(AGENT)[0].seen.trial
        return trial.wall if trial else None

    async def run_for(self, seconds: float) -> list[float]:
        """When, counted from now, the pod was asked in virtual time."""
        task = asyncio.create_task(self.trials.run())
        start, asked = self.clock(), []
        try:
            while self.clock() - start <= seconds:
                before = len(self.client.calls)
                for _ in range(12):
                    await asyncio.sleep(0)
                asked += [self.clock() - start] * (len(self.client.calls) - before)
                self.clock.advance(1.0)
                self.trials._queue._wake()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return asked


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_pod_that_answers_is_tried_at_once_and_then_left_alone(scene: Scene) -> None:
    scene.says("blocked")
    scene.echoes()
    assert await scene.run_for(HELD_SECONDS - 2) == [0]
    assert scene.wall() is Wall.HOLDS
    assert scene.client.calls == [("ask", ADDRESS, str(PORT))]
    assert scene.heard == [AGENT, AGENT], "its echo, and what was shown"
    assert scene.counted == ["holds"]
    assert len(await scene.run_for(5)) == 1


async def test_one_that_comes_through_counts_when_it_still_does_after_a_while(scene: Scene) -> None:
    scene.says("reached")
    scene.echoes()
    await scene.run_for(SETTLE_SECONDS - 1)
    assert scene.wall() is None
    await scene.run_for(10)
    assert scene.wall() is Wall.OPEN
    again = await scene.run_for(3 * OPEN_SECONDS)
    assert len(again) == 3


async def test_an_enforcer_that_needs_a_moment_is_given_it(scene: Scene) -> None:
    scene.says("reached")
    scene.echoes()
    await scene.run_for(3)
    scene.says("blocked")
    await scene.run_for(10)
    assert scene.wall() is Wall.HOLDS


async def test_whatever_fails_in_a_trial_it_shows_nothing_and_is_made_again(scene: Scene) -> None:
    scene.says("blocked")
    scene.canary.failure = RuntimeError("a fault of ours")
    scene.echoes()
    await scene.run_for(1)
    assert set(scene.counted) == {"unproved"}
    scene.canary.failure = None
    await scene.run_for(10)
    assert scene.wall() is Wall.HOLDS


async def test_what_arrives_counts_whatever_the_pod_says(scene: Scene) -> None:
    scene.says("blocked")
    scene.canary.came = 1
    scene.echoes()
    await scene.run_for(30)
    assert scene.wall() is Wall.OPEN


async def test_a_wall_that_falls_is_not_told_to_hold_any_more(scene: Scene) -> None:
    scene.says("blocked")
    scene.echoes()
    await scene.run_for(2)
    scene.says("reached")
    scene.trials.again(AGENT)
    await scene.run_for(EDIT_SECONDS + 1)
    assert scene.wall() is Wall.UNPROVED
    await scene.run_for(SETTLE_SECONDS + 6)
    assert scene.wall() is Wall.OPEN


@pytest.mark.parametrize("vain", ["nobody", "another", "not listening", "translated"])
async def test_trials_in_vain_are_repeated_ever_more_slowly_and_prove_nothing(scene: Scene, vain: str) -> None:
    scene.says("blocked")
    if vain == "nobody":
        scene.client.pods[ADDRESS] = ApiError(0, "Unreachable", "gone")
    elif vain == "another":
        scene.says("blocked", uid="uid-other")
    elif vain == "not listening":
        scene.canary.listening = False
    else:
        scene.says("blocked", "127.0.0.3")
    scene.echoes()
    asked = await scene.run_for(200)
    assert asked == [0, 2, 6, 14, 30, 62, 122, 182]
    assert scene.wall() is Wall.UNPROVED


async def test_one_trial_in_vain_takes_nothing_away_and_three_do(scene: Scene) -> None:
    scene.says("blocked")
    scene.echoes()
    await scene.run_for(1)
    scene.canary.listening = False
    scene.trials.again(AGENT)
    await scene.run_for(EDIT_SECONDS + 1)
    assert scene.wall() is Wall.HOLDS
    await scene.run_for(10)
    assert scene.wall() is Wall.UNPROVED


async def test_an_edit_of_the_walls_of_a_pod_that_was_never_heard_of_asks_nobody(scene: Scene) -> None:
    scene.trials.again(AGENT)
    assert await scene.run_for(EDIT_SECONDS + 1) == []


async def test_a_standby_asks_nobody(scene: Scene) -> None:
    scene.leads = False
    scene.says("blocked")
    scene.echoes()
    assert await scene.run_for(10) == []


async def test_a_new_leader_tries_anew(scene: Scene) -> None:
    scene.says("blocked")
    scene.echoes()
    await scene.run_for(1)
    scene.pods.forget_echoes()
    scene.trials.forget_all()
    assert scene.wall() is None
    scene.echoes()
    assert await scene.run_for(5) == [0]
    assert scene.wall() is Wall.HOLDS


async def test_a_pod_that_no_replica_set_controls_proves_nothing(scene: Scene) -> None:
    scene.pods.seen(PODS, pod(version=2, owner="Job"), full=True)
    scene.says("blocked")
    scene.echoes()
    assert await scene.run_for(5) == []
    assert scene.wall() is None


async def test_a_pod_that_is_gone_is_forgotten_with_what_it_showed(scene: Scene) -> None:
    scene.says("blocked")
    scene.echoes()
    await scene.run_for(1)
    scene.pods.gone(PODS, "n", "a-1", "uid-a-1")
    assert await scene.run_for(2 * HELD_SECONDS) == []
    assert (scene.trials._known, len(scene.trials._queue)) == ({}, 0)
    scene.pods.seen(PODS, pod(version=3), full=True)
    assert scene.wall() is None


async def test_without_a_canary_nothing_is_tried() -> None:
    scene = Scene()
    scene.trials._canary = None
    scene.echoes()
    assert await scene.run_for(5) == []


async def test_trials_at_once_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    async def slow(*_: Any, **__: Any) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return {"pod": {"uid": "another"}}

    monkeypatch.setattr(scene.client, "pod_status", slow)
    monkeypatch.setattr(trials, "address_towards", lambda _: OWN)
    for number in range(3 * TRIALS_AT_ONCE):
        scene.pods.seen(PODS, pod(f"a-{number:03}"), full=True)
    for each in scene.pods.of(AGENT):
        scene.trials.heard(each)
    await scene.run_for(1)
    assert most == TRIALS_AT_ONCE


def test_what_was_shown_is_worth_a_look_only_when_it_is_news(scene: Scene) -> None:
    for trial in (HOLDS, HOLDS, OPEN, OPEN):
        scene.pods.tried("uid-a-1", trial)
    scene.pods.tried("uid-unknown", HOLDS)
    assert scene.heard == [AGENT, AGENT]
