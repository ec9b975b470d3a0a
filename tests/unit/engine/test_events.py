import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from regent_operator.engine.errors import ApiError
from regent_operator.engine.events import MOST_WAITING, REPEAT_SECONDS, Occurrence, Recorder
from regent_operator.engine.resources import Key
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient

READY = Occurrence(Key("AIAgent", "n", "a"), "u", "Normal", "Ready", "Reconcile", "All is well.")


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.clock = Clock()
        self.recorder = Recorder(
            self.client,  # type: ignore[arg-type]
            "one",
            self.clock,
            lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        )

    async def write_all(self) -> list[str]:
        """The verbs of what was written."""
        before = len(self.client.calls)
        task = asyncio.create_task(self.recorder.run())
        for _ in range(2000):
            await asyncio.sleep(0)
            if self.recorder._waiting.empty():
                break
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return [call[0] for call in self.client.calls[before:]]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_an_event_names_the_object_the_reason_and_the_words(scene: Scene) -> None:
    scene.recorder.record(READY)
    assert await scene.write_all() == ["create"]
    [event] = scene.client.objects.values()
    del event["metadata"]
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "regarding": {
            "apiVersion": "regent.dev/v1alpha1",
            "kind": "AIAgent",
            "namespace": "n",
            "name": "a",
            "uid": "u",
        },
        "type": "Normal",
        "reason": "Ready",
        "action": "Reconcile",
        "note": "All is well.",
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingController": "regent.dev/operator",
        "reportingInstance": "one",
    }


async def test_a_note_is_cut_to_the_bytes_that_the_api_server_takes_and_to_whole_characters(scene: Scene) -> None:
    scene.recorder.record(replace(READY, note="x" + 1000 * "ä"))
    await scene.write_all()
    [event] = scene.client.objects.values()
    assert event["note"] == "x" + 511 * "ä"
    assert {each.note for each in scene.recorder._series} == {event["note"]}, "no more is remembered"


async def test_one_that_repeats_is_counted_and_written_every_ten_minutes(scene: Scene) -> None:
    for _ in range(20):
        scene.recorder.record(READY)
    assert await scene.write_all() == ["create"]
    scene.clock.advance(REPEAT_SECONDS)
    scene.recorder.record(READY)
    assert await scene.write_all() == ["merge"]


async def test_what_does_not_fit_is_dropped_and_nobody_waits(scene: Scene) -> None:
    for number in range(MOST_WAITING + 100):
        scene.recorder.record(Occurrence(READY.regarding, str(number), "Normal", "Ready", "Reconcile", "x"))
    assert len(await scene.write_all()) == MOST_WAITING


async def test_one_that_cannot_be_written_does_not_stop_the_next(scene: Scene) -> None:
    scene.client.failure = ApiError(403, "Forbidden", "no")
    scene.recorder.record(READY)
    await scene.write_all()
    scene.client.failure = None
    scene.recorder.record(Occurrence(READY.regarding, "u", "Warning", "NameConflict", "Reconcile", "x"))
    assert await scene.write_all() == ["create"]


async def test_one_that_could_not_be_written_is_written_when_it_comes_again(scene: Scene) -> None:
    scene.client.failure = ApiError(503, "Unavailable", "no")
    scene.recorder.record(READY)
    await scene.write_all()
    scene.client.failure = None
    scene.recorder.record(READY)
    assert await scene.write_all() == ["create"]
