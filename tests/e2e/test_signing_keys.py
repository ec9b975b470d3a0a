"""The guide to changing signing keys, as it stands, while an agent serves and its policy is edited."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from regent_api.seal import document_digest
from regent_operator.signing import Signer
from tests.e2e import caller, guides, manifests
from tests.e2e.asking import Asking
from tests.e2e.conftest import SYSTEM, Installed
from tests.e2e.kube import Kube, Object
from tests.e2e.test_edits import edit_config, operator_away, refusal
from tests.guides import commands

ADD, AWAIT, REMOVE, REPLACE = commands("signing-keys.md", "On a cluster")
SECRET = "regent-operator-signing"


@dataclass(frozen=True)
class World:
    """The agent `helper` under the policy `house`, and one who may talk to it."""

    regent: Installed
    where: str
    friend: caller.Caller

    @property
    def kube(self) -> Kube:
        return self.regent.kube

    @property
    def agent(self) -> str:
        return f"{self.where}/helper"

    def edit(self, tokens: int) -> None:
        """The policy, and waits until every pod of the agent enforces that."""
        self.kube.apply(house(self.where, tokens))

        def in_force() -> bool:
            status = self.kube.get("aiagent", "helper", self.where)["status"]
            value = next(each["value"] for each in status["effective"] if each["field"] == "size.maxOutputTokens")
            return bool(value == str(tokens))

        self.kube.until("the edit is planned", in_force)
        self.kube.until_ready("helper", self.where)
        for pod in self.kube.pods("helper", self.where):
            digests = self.kube.get("aiagent", "helper", self.where)["status"]["digests"]
            assert self.kube.statusz(pod)["digests"]["config"] == digests["config"]

    def trusted(self) -> list[list[str]]:
        """Of each pod: the keys by which it takes a config."""
        started = [pod["spec"]["containers"][0]["command"] for pod in self.kube.pods("helper", self.where)]
        return [[word for word in command if word.startswith("ed25519:")] for command in started]

    def until_trusted(self, keys: list[str]) -> None:
        self.kube.until("the pod was replaced", lambda: self.trusted() == [keys])
        self.kube.until_ready("helper", self.where)

    def config(self) -> Object:
        data: Object = self.kube.get("configmap", "helper", self.where)["data"]
        return data

    def seal(self) -> Object:
        seal: Object = json.loads(self.config()["agent.seal.json"])
        return seal

    def keys(self, folder: Path) -> Signer:
        """Those of the Secret, as the operator would read them."""
        folder.mkdir()
        for name, text in self.kube.get("secret", SECRET, SYSTEM)["data"].items():
            (folder / name).write_bytes(base64.b64decode(text))
        return Signer.read(folder)


def house(where: str, tokens: int) -> Object:
    return manifests.policy("house", where, selector={}, size={"maxOutputTokens": tokens})


@pytest.fixture(scope="module")
def world(regent: Installed) -> Iterator[World]:
    """At the end the Secret holds what it held."""
    kube, where = regent.kube, regent.namespace()
    before = kube.get("secret", SECRET, SYSTEM)["data"]
    regent.standin("cloud", where)
    cloud = manifests.provider("cloud", f"cloud.{where}.svc")
    kube.apply(manifests.route("route", where, [cloud]), house(where, 100), manifests.agent("helper", where, "route"))
    kube.until_ready("helper", where)
    yield World(regent, where, caller.start(kube, "friend", where, "friend", f"{where}/helper"))
    regent.discard(where)
    patch = json.dumps([{"op": "replace", "path": "/data", "value": before}])
    kube("patch", "secret", SECRET, "--namespace", SYSTEM, "--type", "json", "--patch", patch)
    kube("rollout", "restart", "deployment/regent-operator", "--namespace", SYSTEM)
    kube("rollout", "status", "deployment/regent-operator", "--namespace", SYSTEM, "--timeout=120s", timeout=130)


def test_one_key_follows_another_while_pods_serve_and_take_edits(world: World, tmp_path: Path) -> None:
    first = world.keys(tmp_path / "first")
    assert world.trusted() == [list(first.public)]
    with Asking(world.friend, world.agent) as asking:
        guides.run(world.regent, ADD, tmp_path)
        guides.run(world.regent, AWAIT, tmp_path)
        both = world.keys(tmp_path / "both")
        assert len(both.public) == 2
        world.until_trusted(list(both.public))
        assert len(world.seal()["signatures"]) == 2
        world.edit(90)

        guides.run(world.regent, REMOVE, tmp_path)
        second = world.keys(tmp_path / "second")
        assert {*second.public} == {*both.public} - {*first.public}
        world.until_trusted(list(second.public))
        assert len(world.seal()["signatures"]) == 1
        world.edit(80)
    asking.served()


def test_what_a_lost_key_seals_is_refused_once_another_has_taken_its_place(world: World, tmp_path: Path) -> None:
    lost = world.keys(tmp_path / "lost")
    with Asking(world.friend, world.agent) as asking:
        guides.run(world.regent, REPLACE, tmp_path)
        world.until_trusted(list(world.keys(tmp_path / "new").public))
        world.edit(70)
    asking.served()

    uid = world.kube.get("aiagent", "helper", world.where)["metadata"]["uid"]
    lax = json.loads(world.config()["agent.json"])
    lax["policy"]["callers"]["anonymous"] = "Allow"
    text = json.dumps(lax)
    seal = lost.seal(uid, world.seal()["sequence"] + 1, document_digest(text.encode()))
    (pod,) = world.kube.pods("helper", world.where)
    with operator_away(world.kube):
        forged = {"agent.json": text, "agent.seal.json": json.dumps(seal.wire())}
        edit_config(world.kube, world.where, forged)
        refusal(world.kube, pod, "not signed by a key that this pod trusts")
        assert world.friend.ask(world.agent, token=None).status == 401
    world.kube.until_ready("helper", world.where)
