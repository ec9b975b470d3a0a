"""What the operator's process tells of its event loop, and what kopf keeps of what it has told."""

import asyncio
import gc
import logging
from typing import Any
from weakref import ref

import kopf
import pytest
from kopf._cogs.structs.references import Resource
from kopf._core.engines.indexing import OperatorIndexers
from kopf._core.reactor.processing import process_resource_event

from regent_operator import app
from regent_operator.app import NoMemories, registry, tell
from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.resources import AGENTS, Key
from regent_operator.settings import parse_settings
from regent_operator.signing import Signer
from tests.unit.engine.fake_client import meta
from tests.unit.engine.world import AGENT, NAMESPACE, World

GIVEN_UP = "Fatal error on SSL protocol"
CLOSED = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")


@pytest.mark.parametrize(
    ("context", "errors"),
    [
        ({"message": GIVEN_UP, "exception": CLOSED}, 0),
        ({"message": GIVEN_UP, "exception": OSError("broken pipe")}, 1),
        ({"message": "Task exception was never retrieved", "exception": CLOSED}, 1),
        ({"message": "Executing took long"}, 1),
    ],
)
async def test_a_connection_that_was_given_up_is_no_error(
    context: dict[str, Any], errors: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        tell(asyncio.get_running_loop(), context)
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == errors
    assert len(caplog.records) == 1


async def test_the_operator_s_loop_tells_so(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = []

    async def operator(memories: NoMemories, **_: Any) -> None:
        assert isinstance(memories, NoMemories)
        handlers.append(asyncio.get_running_loop().get_exception_handler())

    monkeypatch.setattr("kopf.operator", operator)
    settings = parse_settings(["--namespace=n", "--runtime-image=i", "--signing-keys=/", "--metrics-port=0"])
    assert await app._run(settings, ClusterAccess("http://127.0.0.1:1"), Signer.new()) == 0
    assert handlers == [tell]


class Part(dict[str, Any]):
    """Of an object, so that one can tell when it goes."""


async def test_kopf_keeps_nothing_of_an_object_that_it_has_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    world, memories, status = World(monkeypatch), NoMemories(), Part(observedGeneration=1)
    gone = ref(status)
    handlers = registry(world.engine, ClusterAccess("http://127.0.0.1:1"))
    event: Any = {"type": "ADDED", "object": meta("a", 7) | {"kind": "AIAgent", "spec": AGENT, "status": status}}
    del status
    gc.disable()
    try:
        await process_resource_event(
            lifecycle=kopf.lifecycles.all_at_once,
            indexers=OperatorIndexers(),
            registry=handlers,
            settings=kopf.OperatorSettings(),
            memories=memories,
            memobase=kopf.Memo(),
            resource=Resource("regent.dev", "v1alpha1", AGENTS.plural, kind=AGENTS.kind),
            raw_event=event,
            event_queue=asyncio.Queue(),
        )
        del event
        assert gone() is None, "without a look of the garbage collector"
    finally:
        gc.enable()
    assert list(memories.iter_all_memories()) == []
    assert Key(AGENTS.kind, NAMESPACE, "a") in world.engine.store
