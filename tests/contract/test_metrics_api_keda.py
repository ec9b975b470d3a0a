"""What KEDA's `metrics-api` trigger asks: a number at a path of a JSON answer, or an error, never a guess."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from regent_operator.engine.answers import Page
from regent_operator.engine.errors import ApiError
from regent_operator.metrics_api.keda import KedaApi
from regent_operator.metrics_api.settings import Settings
from regent_operator.plan.scaledobject import build
from tests.unit.plan.samples import agent

Object = dict[str, Any]


def pod(name: str) -> Object:
    """`a` is busy: it does not answer its probe."""
    ready = name != "a"
    conditions = [{"type": "Ready", "status": str(ready)}]
    containers = [{"name": "runtime", "started": True, "ready": ready}]
    status = {"phase": "Running", "podIP": name, "conditions": conditions, "containerStatuses": containers}
    labels = {"regent.dev/agent": "helper"}
    meta = {"namespace": "acme", "name": name, "uid": f"uid-{name}", "resourceVersion": "1", "labels": labels}
    return {"metadata": meta, "status": status}


class Cluster:
    """Pods by name, which is their address too, and what each tells; None: it does not answer."""

    def __init__(self) -> None:
        self.told: dict[str, int | None] = {"a": 3, "b": 4}

    async def pages(self, *_: Any, **__: Any) -> AsyncIterator[Page]:
        yield Page([pod(name) for name in self.told], "1")

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield None

    async def pod_status(self, address: str, seconds: float) -> Object:
        told = self.told[address]
        if told is None:
            raise ApiError(0, "Unreachable", "no answer")
        return {"pod": {"uid": f"uid-{address}"}, "activeConversations": told}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[KedaApi]:
    made = KedaApi(Settings("regent-system", "regent-metrics-api", (), "127.0.0.1", 0, 0, None, "keda"), cluster)  # type: ignore[arg-type]
    async with made.running():
        async with asyncio.timeout(30):
            while made.missing():  # noqa: ASYNC110 - a reflector's first list, which tells nobody
                await asyncio.sleep(0.01)
        yield made


async def asked(api: KedaApi, name: str = "helper") -> tuple[int, Object]:
    """By the very URL that the operator writes into the ScaledObject."""
    made = build(agent(name, scaling={"auto": {}}), f"http://127.0.0.1:{api.port}")
    assert made is not None
    trigger = made["spec"]["triggers"][0]["metadata"]
    async with aiohttp.ClientSession() as http, http.get(trigger["url"]) as answer:
        found = await answer.json()
        return answer.status, {"figure": found.get(trigger["valueLocation"]), "error": found.get("error", "")}


async def test_the_sum_over_an_agents_pods_is_where_the_trigger_looks_for_it(api: KedaApi) -> None:
    assert await asked(api) == (200, {"figure": 7, "error": ""})


@pytest.mark.parametrize("silent", ["a", "b"], ids=["too busy", "ready"])
async def test_a_sum_that_is_not_known_is_an_error_and_never_smaller(
    api: KedaApi, cluster: Cluster, silent: str
) -> None:
    cluster.told[silent] = None
    status, found = await asked(api)
    assert (status, found["figure"]) == (503, None)
    assert f"pod {silent}" in found["error"]
    status, found = await asked(api, "another")
    assert (status, found["figure"]) == (503, None), "an agent without pods has no figure, and not 0"
