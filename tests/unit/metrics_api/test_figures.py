"""Asking pods: at the same time, once, for a second, and nobody's silence is a number."""

import asyncio
from typing import Any

import pytest

from regent_operator.engine.errors import ApiError
from regent_operator.metrics_api import figures
from regent_operator.metrics_api.figures import Figures
from regent_operator.metrics_api.pods import AskablePod
from tests.fakes import virtual_time
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient


def pod(name: str, address: str | None = None) -> AskablePod:
    return AskablePod("n", name, f"uid-{name}", name if address is None else address, serves=True, version=1)


def said(name: str, conversations: int) -> dict[str, Any]:
    return {"pod": {"uid": f"uid-{name}"}, "activeConversations": conversations}


class Scene:
    def __init__(self, **said_by: Any) -> None:
        self.client = FakeClient()
        self.client.pods = said_by
        self.clock = Clock()
        self.figures = Figures(self.client, self.clock, lambda: 0.0)  # type: ignore[arg-type]

    async def of(self, *names: str) -> dict[str, int]:
        return {each.pod.name: each.conversations for each in await self.figures.of(map(pod, names))}

    @property
    def asked(self) -> list[str]:
        return [call[1] for call in self.client.calls]


async def test_who_does_not_answer_is_left_out() -> None:
    scene = Scene(a=said("a", 4), c=said("another", 9), d={"pod": {"uid": "uid-d"}, "activeConversations": -1})
    assert await scene.of("a", "b", "c", "d") == {"a": 4}
    assert [each async for each in _none(scene)] == []


async def _none(scene: Scene) -> Any:
    for each in await scene.figures.of([pod("a", address="")]):
        yield each


async def test_two_questions_at_once_are_one() -> None:
    scene = Scene()
    asked: list[str] = []

    async def answers_once_both_have_come(address: str, seconds: float) -> dict[str, Any]:
        asked.append(address)
        for _ in range(10):
            await asyncio.sleep(0)
        return said("a", 4)

    scene.client.pod_status = answers_once_both_have_come  # type: ignore[assignment, method-assign]
    assert await asyncio.gather(scene.of("a"), scene.of("a")) == [{"a": 4}, {"a": 4}]
    assert asked == ["a"]


async def test_an_answer_is_good_for_a_second() -> None:
    scene = Scene(a=said("a", 4))
    assert await scene.of("a") == {"a": 4}
    scene.client.pods["a"] = said("a", 5)
    scene.clock.advance(0.9)
    assert await scene.of("a") == {"a": 4}
    scene.clock.advance(0.2)
    assert await scene.of("a") == {"a": 5}
    assert scene.asked == ["a", "a"]


async def test_a_question_asks_all_of_its_pods_at_the_same_time_and_gives_each_a_second() -> None:
    scene = Scene()
    given: list[float] = []

    async def answers_once_all_are_asked(address: str, seconds: float) -> dict[str, Any]:
        given.append(seconds)
        for _ in range(100):
            if len(given) == 3:
                return said(address, 1)
            await asyncio.sleep(0)
        raise ApiError(0, "Unreachable", "the others are not asked")

    scene.client.pod_status = answers_once_all_are_asked  # type: ignore[assignment, method-assign]
    assert await scene.of("a", "b", "c") == {"a": 1, "b": 1, "c": 1}
    assert given == [1.0] * 3


def test_pods_that_hang_make_no_others_look_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """More pods than may be asked at once: the last ones wait for a place, and have their own time then."""
    monkeypatch.setattr(figures, "QUESTIONS_AT_ONCE", 1)
    scene = Scene(z=said("z", 4))

    async def hangs_but_for_z(address: str, seconds: float) -> dict[str, Any]:
        if address != "z":
            await asyncio.sleep(seconds)
            raise ApiError(0, "Unreachable", "no answer in time")
        return said("z", 4)

    scene.client.pod_status = hangs_but_for_z  # type: ignore[assignment, method-assign]
    assert virtual_time.run(scene.of("a", "b", "c", "z")) == {"z": 4}


async def test_so_many_pods_are_asked_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "QUESTIONS_AT_ONCE", 3)
    scene = Scene()
    at_once = most = 0

    async def answers_later(address: str, seconds: float) -> dict[str, Any]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for _ in range(10):
            await asyncio.sleep(0)
        at_once -= 1
        return said(address, 1)

    scene.client.pod_status = answers_later  # type: ignore[assignment, method-assign]
    names = [f"p{number}" for number in range(10)]
    assert await scene.of(*names) == dict.fromkeys(names, 1)
    assert most == 3


async def test_who_gives_up_takes_the_answer_from_nobody_else() -> None:
    scene = Scene(a=said("a", 4))
    first = asyncio.create_task(scene.of("a"))
    await asyncio.sleep(0)
    second = asyncio.create_task(scene.of("a"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == {"a": 4}
    await scene.figures.close()
