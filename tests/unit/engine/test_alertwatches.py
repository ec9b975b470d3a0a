import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from regent_operator.engine import alertwatches
from regent_operator.engine.alertwatches import AlertWatches
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import PODS
from regent_operator.plan.echo import Echo, echo_of
from tests.fakes.waiting import eventually
from tests.unit.engine.fake_client import FakeClient
from tests.unit.engine.test_echo import pod

ADDRESS = "127.0.0.9"


def statusz(fired: int, uid: str = "uid-a-1", *, stated: bool = True) -> dict[str, Any]:
    alert = {"policy": "n/strict", "name": "intruder", "fired": fired, "failed": 0, "firedAt": None}
    return {"pod": {"uid": uid}, "audit": {"alerts": [alert] if stated else [], "alertMoves": fired}}


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.heard: list[int] = []
        self.leads = True
        self.pods = Pods(lambda _: None, lambda _: None, self._answered)
        self.watches = AlertWatches(self.client, self.pods, lambda: self.leads)  # type: ignore[arg-type]
        self.pods.seen(PODS, pod(), full=True)

    def _answered(self, seen: Any, echo: Echo) -> None:
        self.heard.append(echo.alerts[0].fired if echo.alerts else -1)
        self.watches.heard(seen, echo)

    def says(self, said: dict[str, Any] | ApiError) -> None:
        self.client.pods[ADDRESS] = said

    def round_asks(self, said: dict[str, Any]) -> None:
        """What an ordinary round of questions hears."""
        self.says(said)
        echo = echo_of(said)
        assert echo is not None
        self.pods.echoed("uid-a-1", echo)

    async def until(self, holds: Callable[[], bool]) -> None:
        async def now() -> bool:
            return holds()

        await eventually(now)

    async def settled(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(alertwatches, "PAUSE_SECONDS", 0.0)
    made = Scene()
    async with _running(made):
        yield made


@asynccontextmanager
async def _running(scene: Scene) -> AsyncIterator[None]:
    task = asyncio.create_task(scene.watches.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_pod_with_alerts_is_waited_for_and_each_match_is_heard_as_it_comes(scene: Scene) -> None:
    scene.round_asks(statusz(0))
    await scene.settled()
    assert scene.heard == [0]
    for fired in (1, 5):
        scene.says(statusz(fired))
        await scene.until(lambda fired=fired: scene.heard[-1] == fired)
    await scene.settled()
    assert scene.client.calls == [("ask", ADDRESS, "0"), ("ask", ADDRESS, "1"), ("ask", ADDRESS, "5")]


async def test_a_pod_without_alerts_is_not_waited_for(scene: Scene) -> None:
    scene.round_asks(statusz(0, stated=False))
    await scene.settled()
    assert scene.client.calls == []


async def test_one_wait_at_a_time_is_enough(scene: Scene) -> None:
    for _ in range(3):
        scene.round_asks(statusz(0))
    await scene.settled()
    assert scene.client.calls == [("ask", ADDRESS, "0")]


@pytest.mark.parametrize(
    "answer", [ApiError(0, "Unreachable", "gone"), statusz(1, "uid-other"), statusz(1, stated=False)]
)
async def test_what_gives_no_answer_of_its_own_is_waited_for_again_after_the_next_round(
    scene: Scene, answer: dict[str, Any] | ApiError
) -> None:
    scene.round_asks(statusz(0))
    await scene.settled()
    scene.says(answer)
    await scene.settled()
    assert scene.heard == [0]
    scene.round_asks(statusz(2))
    await scene.settled()
    scene.says(statusz(3))
    await scene.until(lambda: scene.heard == [0, 2, 3])


async def test_a_standby_waits_for_nobody(scene: Scene) -> None:
    scene.leads = False
    scene.round_asks(statusz(0))
    await scene.settled()
    assert scene.client.calls == []


async def test_the_waits_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertwatches, "MOST_WATCHED", 0)
    scene.round_asks(statusz(0))
    await scene.settled()
    assert scene.client.calls == []
