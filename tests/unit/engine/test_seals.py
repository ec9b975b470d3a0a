"""Sequence numbers only grow, and what did not change is not sealed anew."""

import json
from dataclasses import replace
from typing import Any

import pytest

from regent_api.seal import LARGEST_SEQUENCE, SEAL_KEY, Seal, document_digest
from regent_operator.engine.children import Children
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import AGENTS, CONFIG_MAPS, PODS, Key
from regent_operator.engine.seals import Sealer
from regent_operator.plan.echo import Echo
from regent_operator.signing import Signer
from tests.unit.engine.fake_client import FakeClient, overtake
from tests.unit.plan.samples import agent

Object = dict[str, Any]
AGENT = agent()
UID = AGENT.metadata.uid
KEY = Key(AGENTS.kind, "acme", "helper")
NOW = 1_800_000_000.0
NOW_MS = 1_800_000_000_000
SIGNER = Signer.new()


class Scene:
    def __init__(self, signer: Signer = SIGNER) -> None:
        self.client = FakeClient()
        self.children = Children(lambda _: None)
        self.pods = Pods(lambda _: None, lambda _: None)
        self.now = NOW
        self.sealer = Sealer(self.client, self.children, self.pods, signer, lambda: self.now)  # type: ignore[arg-type]
        self.version = 0

    async def seal(self, text: str) -> Seal:
        made = await self.sealer.seal(AGENT, text)
        assert made is not None
        return Seal.model_validate_json(made)

    def config_map(self, seal: Seal | str | None, owner: str = UID) -> Object:
        self.version += 1
        owners = [{"kind": "AIAgent", "uid": owner, "controller": True}]
        meta = {"namespace": "acme", "name": "helper", "uid": "c", "resourceVersion": str(self.version)}
        text = json.dumps(seal.wire()) if isinstance(seal, Seal) else seal
        data = {} if text is None else {SEAL_KEY: text}
        obj = {"metadata": meta | {"ownerReferences": owners}, "data": data}
        self.client.objects["ConfigMap", "acme", "helper"] = obj
        return obj

    def wrote(self, seal: Seal) -> None:
        self.children.wrote(CONFIG_MAPS, self.config_map(seal), "hash", stripped=False)

    def listed(self, seal: Seal | str | None, owner: str = UID) -> None:
        self.children.seen(CONFIG_MAPS, self.config_map(seal, owner), full=True)

    def by_hand(self, seal: Seal | str | None) -> None:
        self.children.seen(CONFIG_MAPS, self.config_map(seal), full=False)

    def pod_accepted(self, sequence: int) -> None:
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True}
        meta = {"namespace": "acme", "name": "p", "uid": "u", "resourceVersion": "1", "ownerReferences": [owner]}
        pod = {
            "metadata": meta | {"labels": {"regent.dev/agent": "helper"}},
            "spec": {},
            "status": {"podIP": "10.0.0.1"},
        }
        self.pods.seen(PODS, pod, full=True)
        self.pods.echoed("u", Echo("u", config_sequence=sequence))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_new_agents_config_is_sealed_with_the_time(scene: Scene) -> None:
    assert await scene.seal("a") == SIGNER.seal(UID, NOW_MS, document_digest(b"a"))
    assert scene.client.calls == []


async def test_without_a_config_there_is_no_seal(scene: Scene) -> None:
    assert await scene.sealer.seal(AGENT, None) is None


async def test_what_did_not_change_keeps_its_seal(scene: Scene) -> None:
    first = await scene.seal("a")
    scene.wrote(first)
    scene.now += 60
    assert await scene.seal("a") == first
    assert scene.client.calls == []


async def test_each_other_config_gets_a_greater_number_though_the_clock_stands_or_falls(scene: Scene) -> None:
    numbers = []
    for text in ("a", "b", "a"):
        made = await scene.seal(text)
        scene.wrote(made)
        numbers.append(made.sequence)
        scene.now -= 3600
    assert numbers == [NOW_MS, NOW_MS + 1, NOW_MS + 2]


async def test_a_restart_keeps_the_seal_that_stands_there_and_reads_nothing_again(scene: Scene) -> None:
    before = SIGNER.seal(UID, NOW_MS - 5000, document_digest(b"a"))
    scene.listed(before)
    assert await scene.seal("a") == before
    assert scene.client.calls == []


async def test_after_a_restart_an_edit_is_newer_than_what_stands_there(scene: Scene) -> None:
    ahead = NOW_MS + 10_000
    scene.listed(SIGNER.seal(UID, ahead, document_digest(b"a")))
    assert (await scene.seal("b")).sequence == ahead + 1


@pytest.mark.parametrize(
    "live",
    [
        None,
        "{",
        Signer.new().seal(UID, LARGEST_SEQUENCE, document_digest(b"a")),
        SIGNER.seal("another", LARGEST_SEQUENCE, document_digest(b"a")),
        SIGNER.seal(UID, 7, document_digest(b"a")).model_copy(update={"sequence": LARGEST_SEQUENCE}),
    ],
    ids=["none", "no JSON", "another's key", "another agent's", "renumbered"],
)
async def test_what_is_not_ours_counts_for_nothing(scene: Scene, live: Seal | str | None) -> None:
    scene.listed(live)
    assert (await scene.seal("a")).sequence == NOW_MS


async def test_the_config_map_of_a_predecessor_counts_for_nothing(scene: Scene) -> None:
    scene.listed(SIGNER.seal(UID, NOW_MS + 9, document_digest(b"a")), owner="old-uid")
    assert (await scene.seal("a")).sequence == NOW_MS


async def test_a_config_map_that_went_before_it_was_read_counts_for_nothing_and_is_not_known(scene: Scene) -> None:
    scene.by_hand(SIGNER.seal(UID, NOW_MS + 9, document_digest(b"a")))
    overtake(scene.client, "get", lambda *_: scene.children.gone(CONFIG_MAPS, "acme", "helper", "c"))
    assert (await scene.seal("a")).sequence == NOW_MS
    assert len(scene.children) == 0


async def test_a_hand_edit_is_read_once_and_healed_by_the_same_seal(scene: Scene) -> None:
    first = await scene.seal("a")
    scene.wrote(first)
    scene.by_hand("{}")
    assert await scene.seal("a") == first
    assert scene.client.calls == [("get", "ConfigMap", "acme", "helper")]


async def test_a_replay_by_hand_is_healed_by_the_newest_seal(scene: Scene) -> None:
    old = await scene.seal("a")
    scene.wrote(old)
    new = await scene.seal("b")
    scene.wrote(new)
    scene.by_hand(old)
    assert await scene.seal("b") == new


async def test_a_replay_that_a_restart_finds_is_followed_by_a_greater_number(scene: Scene) -> None:
    old = SIGNER.seal(UID, NOW_MS - 9000, document_digest(b"a"))
    scene.listed(old)
    assert (await scene.seal("b")).sequence == NOW_MS


async def test_what_a_pod_accepted_is_never_fallen_behind(scene: Scene) -> None:
    scene.listed(SIGNER.seal(UID, NOW_MS - 9000, document_digest(b"a")))
    scene.pod_accepted(NOW_MS + 500)
    assert (await scene.seal("a")).sequence == NOW_MS + 501


async def test_a_pod_of_the_far_future_is_not_believed(scene: Scene) -> None:
    scene.pod_accepted(LARGEST_SEQUENCE)
    assert (await scene.seal("a")).sequence == NOW_MS


async def test_other_keys_seal_everything_anew() -> None:
    old, new = Signer.new(), Signer.new()
    scene = Scene(Signer((*old.keys, *new.keys)))
    scene.listed(old.seal(UID, NOW_MS - 1, document_digest(b"a")))
    made = await scene.seal("a")
    assert made.sequence == NOW_MS
    assert len(made.signatures) == 2
    assert made.signatures.items() > old.seal(UID, NOW_MS, document_digest(b"a")).signatures.items()


async def test_what_another_leader_sealed_since_is_not_undone(scene: Scene) -> None:
    scene.wrote(await scene.seal("a"))
    scene.sealer.forget_all()
    theirs = SIGNER.seal(UID, NOW_MS + 400, document_digest(b"b"))
    scene.by_hand(theirs)
    assert await scene.seal("b") == theirs


async def test_a_namesake_that_comes_later_is_another_agent(scene: Scene) -> None:
    scene.wrote(await scene.seal("a"))
    meta = replace(AGENT.metadata, uid="next")
    made = await scene.sealer.seal(replace(AGENT, metadata=meta), "a")
    assert made is not None
    assert Seal.model_validate_json(made).uid == "next"
