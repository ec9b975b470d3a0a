import asyncio
from typing import Any

import pytest

from regent_operator.engine.references import Found, References, service_facts
from regent_operator.engine.resources import CONFIG_MAPS, Key
from regent_operator.plan.inputs import ServiceFacts
from tests.unit.engine.fake_client import FakeClient, meta

AGENT = Key("AIAgent", "n", "a")
NAME = ("n", "texts")


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.touched: list[Key] = []
        self.references = References(
            self.client,  # type: ignore[arg-type]
            CONFIG_MAPS,
            self.touched.append,
            lambda namespace: namespace == "n",
        )
        self.references.use(AGENT, frozenset({NAME}))

    def put(self, version: int) -> dict[str, Any]:
        obj = meta("texts", version)
        self.client.objects["ConfigMap", *NAME] = obj
        return obj

    def said(self, version: int) -> None:
        self.references.seen(CONFIG_MAPS, meta("texts", version), full=False)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_version_is_read_once(scene: Scene) -> None:
    scene.put(3)
    assert await scene.references.read(NAME) == await scene.references.read(NAME)
    assert len(scene.client.calls) == 1


async def test_a_newer_version_touches_the_users_and_is_read_again(scene: Scene) -> None:
    scene.put(3)
    await scene.references.read(NAME)
    scene.put(4)
    scene.said(4)
    assert scene.touched == [AGENT]
    found = await scene.references.read(NAME)
    assert found
    assert found["metadata"]["resourceVersion"] == "4"


async def test_the_version_that_was_read_is_no_news(scene: Scene) -> None:
    scene.put(3)
    await scene.references.read(NAME)
    scene.said(3)
    assert scene.touched == []


async def test_what_is_missing_is_looked_for_again_when_it_comes(scene: Scene) -> None:
    assert await scene.references.read(NAME) is None
    scene.put(3)
    scene.said(3)
    assert scene.touched == [AGENT]
    assert await scene.references.read(NAME)


async def test_what_goes_touches_the_users(scene: Scene) -> None:
    scene.put(3)
    await scene.references.read(NAME)
    del scene.client.objects["ConfigMap", *NAME]
    scene.references.gone(CONFIG_MAPS, *NAME, "uid-texts")
    assert scene.touched == [AGENT]
    assert await scene.references.read(NAME) is None


async def test_a_change_during_the_read_is_not_missed(scene: Scene) -> None:
    scene.put(3)
    get = scene.client.get

    async def slow(*words: Any, **more: Any) -> Any:
        found = await get(*words, **more)
        if found["metadata"]["resourceVersion"] == "3":
            scene.put(4)
            scene.said(4)
        await asyncio.sleep(0)
        return found

    scene.client.get = slow  # type: ignore[method-assign]
    found = await scene.references.read(NAME)
    assert found
    assert found["metadata"]["resourceVersion"] == "4"


async def test_what_nobody_uses_is_forgotten_and_news_of_it_touches_nobody(scene: Scene) -> None:
    scene.put(3)
    await scene.references.read(NAME)
    scene.references.use(AGENT, frozenset())
    scene.said(9)
    assert scene.touched == []
    await scene.references.read(NAME)
    assert len(scene.client.calls) == 2


async def test_where_nobody_watches_it_is_read_each_time(scene: Scene) -> None:
    for _ in range(2):
        assert await scene.references.read(("other", "texts")) is None
    assert len(scene.client.calls) == 2


async def test_news_of_what_is_used_no_more_is_not_hoarded(scene: Scene) -> None:
    scene.said(9)
    scene.references.use(AGENT, frozenset())
    assert scene.references._stale == set()


def test_udp_beside_tcp_on_one_port_does_not_count() -> None:
    ports = [{"port": 443, "targetPort": 8443}, {"port": 443, "protocol": "UDP", "targetPort": 9443}]
    for order in (ports, ports[::-1]):
        assert service_facts(Found({"spec": {"ports": order}}), {}) == ServiceFacts({}, {443: (8443,)})


def test_facts_of_a_service() -> None:
    ports = [{"port": 80, "targetPort": 8080}, {"port": 82}]
    service = Found({"spec": {"selector": {"app": "x"}, "ports": ports}})
    assert service_facts(service, {}) == ServiceFacts({"app": "x"}, {80: (8080,), 82: (82,)})
    assert service_facts(Found({"spec": {"type": "ExternalName"}}), {}) == ServiceFacts({}, {}, external_name=True)
    assert service_facts(None, {}) is None


def test_a_named_target_port_is_what_the_endpoints_say_of_that_port_of_the_service() -> None:
    ports = [{"name": "api", "port": 80, "targetPort": "http"}, {"name": "admin", "port": 81, "targetPort": "admin"}]
    facts = service_facts(Found({"spec": {"ports": ports}}), {"api": (8000, 9000)})
    assert facts == ServiceFacts({}, {80: (8000, 9000), 81: ()})


def test_facts_of_a_service_follow_the_ports_behind_its_names() -> None:
    """The object stays the very same meanwhile: its endpoints are others."""
    ports = [{"port": 80, "name": "http", "targetPort": "web"}]
    service = Found({"spec": {"selector": {"app": "llm"}, "ports": ports}})
    for numbers in ((8080,), (8080, 9090), (8080,)):
        facts = service_facts(service, {"http": numbers})
        assert facts == ServiceFacts(selector={"app": "llm"}, target_ports={80: numbers})
        assert facts is service_facts(service, {"http": numbers})
