"""What an agent runs now: what may be trusted of it when a reference is missing."""

from dataclasses import replace
from typing import Any

import pytest

from regent_api.agent import AIAgentStatus
from regent_api.config import CONFIG_KEY, AgentConfig
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.gather import Gatherer
from regent_operator.engine.resources import CONFIG_MAPS
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.document import document
from tests.unit.engine.fake_client import FakeClient, overtake
from tests.unit.plan.samples import INSTALLATION, LOCAL_HOSTS, agent, for_all, inputs

Object = dict[str, Any]
AGENT = agent()
KEY = ChildKey("ConfigMap", "acme", "helper")


def planned(tokens: int) -> AgentConfig:
    limits = for_all("base", **LOCAL_HOSTS, size={"maxOutputTokens": tokens})
    made = plan_agent(inputs(agent=AGENT, policies=(limits,)), INSTALLATION).config
    assert made
    return made


OLD, NEW = planned(99), planned(55)


def said(config: AgentConfig) -> AIAgentStatus:
    return AIAgentStatus(digests=config.digests())


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.children = Children(lambda _: None)
        none: Any = None
        self.gatherer = Gatherer(self.client, none, self.children, none, none, none, none)  # type: ignore[arg-type]
        self.version = 0

    def live(self, config: AgentConfig | str, owner: str = AGENT.metadata.uid) -> Object:
        self.version += 1
        owners = [{"kind": "AIAgent", "uid": owner, "controller": True}]
        meta = {"namespace": "acme", "name": "helper", "uid": "c", "resourceVersion": str(self.version)}
        text = config if isinstance(config, str) else document(config).text
        obj = {"metadata": meta | {"ownerReferences": owners}, "data": {CONFIG_KEY: text}}
        self.client.objects["ConfigMap", "acme", "helper"] = obj
        return obj

    def listed(self, config: AgentConfig | str, owner: str = AGENT.metadata.uid) -> None:
        self.children.seen(CONFIG_MAPS, self.live(config, owner), full=True)

    def wrote(self, config: AgentConfig) -> None:
        self.children.wrote(CONFIG_MAPS, self.live(config), "hash", stripped=False)

    async def last(self, status: AIAgentStatus | None) -> AgentConfig | None:
        return await self.gatherer.last(AGENT, status)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_was_found_is_trusted_by_the_digest_in_the_status(scene: Scene) -> None:
    scene.listed(OLD)
    assert await scene.last(said(OLD)) == OLD
    assert await scene.last(said(NEW)) is None
    assert await scene.last(None) is None


async def test_a_standby_looks_at_what_is_live_and_not_at_what_it_listed(scene: Scene) -> None:
    scene.listed(OLD)
    moved = {"metadata": scene.live(NEW)["metadata"]}
    scene.children.seen(CONFIG_MAPS, moved, full=False)
    assert await scene.last(said(NEW)) == NEW


async def test_one_that_leads_again_does_not_believe_its_own_older_config(scene: Scene) -> None:
    scene.wrote(OLD)
    scene.live(NEW)
    scene.children.forget_written()
    assert await scene.last(said(NEW)) == NEW
    assert await scene.last(said(OLD)) is None


async def test_what_we_wrote_counts_before_the_status_says_it_and_over_a_hand_s_edit(scene: Scene) -> None:
    scene.wrote(NEW)
    scene.live("{}")
    assert await scene.last(said(OLD)) == NEW
    assert scene.client.calls == []


async def test_after_a_write_that_was_not_answered_the_last_one_counts_no_more(scene: Scene) -> None:
    scene.wrote(OLD)
    scene.children.writing(KEY)
    scene.live(NEW)
    assert await scene.last(said(OLD)) is None


async def test_a_config_map_that_went_before_it_was_read_holds_none(scene: Scene) -> None:
    scene.listed(OLD)
    overtake(scene.client, "get", lambda *_: scene.children.gone(CONFIG_MAPS, "acme", "helper", "c"))
    assert await scene.last(said(OLD)) is None
    assert scene.children.get(KEY) is None


async def test_text_that_is_no_config_is_none(scene: Scene) -> None:
    scene.listed("{")
    assert await scene.last(said(OLD)) is None


async def test_the_config_of_another_agent_of_the_name_is_none(scene: Scene) -> None:
    assert await scene.last(said(OLD)) is None
    scene.listed(OLD, owner="predecessor")
    assert await scene.last(said(OLD)) is None
    scene.wrote(OLD)
    successor = replace(AGENT, metadata=replace(AGENT.metadata, uid="successor"))
    assert await scene.gatherer.last(successor, said(OLD)) is None
