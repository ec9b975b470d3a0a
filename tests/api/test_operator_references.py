"""References that are missing, come in any order, become invalid, or go: nothing takes part as if it were absent."""

import itertools
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.api.operator_fixtures import Object, World, agent, policy, route
from tests.api.running_operator import NAMESPACE, RunningOperator, eventually
from tests.cluster import CommandError

PARTS = {
    "agent": lambda: agent(policyRefs=[{"name": "internal"}]),
    "policy": lambda: policy(size={"maxOutputTokens": 200}),
    "route": route,
}


@pytest.mark.parametrize("order", list(itertools.permutations(PARTS)), ids="-".join)
def test_the_three_kinds_come_in_any_order(world: World, operator: RunningOperator, order: tuple[str, ...]) -> None:
    there: set[str] = set()
    for part in order:
        world.apply(PARTS[part]())
        there.add(part)
        if "agent" in there and len(there) < 3:
            missing = "PolicyMissing" if "policy" not in there else "RouteMissing"
            world.await_ready("helper", "False", missing)
            assert world.conditions("helper")["Reconciling"] == ("True", missing)
            assert world.get("deployment", "helper") is None
    world.await_ready("helper")
    assert _config(world)["policy"]["size"]["maxOutputTokens"] == 200
    eventually("all is as wanted", lambda: "Reconciling" not in world.conditions("helper"))


@pytest.mark.parametrize(("kind", "reason"), [("agentpolicy", "PolicyMissing"), ("modelroute", "RouteMissing")])
def test_what_is_in_use_and_deleted_stays_in_force(
    world: World, operator: RunningOperator, kind: str, reason: str
) -> None:
    world.apply(*(part() for part in PARTS.values()))
    world.await_ready("helper")
    before, pods = _config(world), world.all("pods")
    world.delete(kind, "internal" if kind == "agentpolicy" else "local")
    world.await_ready("helper", "False", reason)
    assert _config(world) == before
    assert {pod["metadata"]["uid"] for pod in world.all("pods")} == {pod["metadata"]["uid"] for pod in pods}
    world.apply(policy("stricter", selector={}, size={"maxOutputTokens": 50}))
    eventually("others may still tighten it", lambda: _config(world)["policy"]["size"]["maxOutputTokens"] == 50)
    assert world.ready("helper") == ("False", reason)
    world.delete("agentpolicy", "stricter")
    world.apply(*(part() for name, part in PARTS.items() if name != "agent"))
    world.await_ready("helper")


def test_a_policy_that_nobody_names_may_be_deleted_and_it_is_told_what_widens(
    world: World, operator: RunningOperator
) -> None:
    world.apply(route(), policy(selector={}, size={"maxOutputTokens": 200}))
    world.await_known("internal")
    world.apply(agent())
    world.await_ready("helper")
    world.delete("agentpolicy", "internal")
    eventually("planned without it", lambda: _config(world)["policy"]["size"]["maxOutputTokens"] == 1024)
    world.await_ready("helper")
    events = eventually(
        "an Event", lambda: [e for e in world.all("events.events.k8s.io") if e["reason"] == "PolicyWidened"]
    )
    assert "maxOutputTokens" in events[0]["note"]


def test_a_route_to_another_agent_s_service_opens_when_that_comes(world: World, operator: RunningOperator) -> None:
    first = f"http://second.{world.namespace}.svc:8080/v1"
    provider = route()["spec"]["providers"][0] | {"baseURL": first}
    world.apply(route("to-second", providers=[provider]), agent(modelRouteRef={"name": "to-second"}))
    eventually("the Service is missed", lambda: "Create or correct that Service" in _reference_words(world))
    world.apply(route(), agent("second"))
    world.await_ready("second")
    eventually("the Service is seen", lambda: _reference_words(world) == "Every reference exists. Nothing to do.")
    selector = {"matchLabels": {"regent.dev/agent": "second"}}
    rules = world.get("networkpolicy", "helper")["spec"]["egress"]
    assert any(to.get("podSelector") == selector for rule in rules for to in rule["to"])


def _reference_words(world: World) -> str:
    conditions = (world.get("aiagent", "helper") or {}).get("status", {}).get("conditions", [])
    return next((c["message"] for c in conditions if c["type"] == "ResolvedRefs"), "")


def test_an_invalid_policy_stops_new_agents_and_keeps_running_ones(world: World, operator: RunningOperator) -> None:
    world.apply(route(), agent())
    world.await_ready("helper")
    before = _config(world)
    invalid = policy("typo", selector={"namespaces": {"matchLabels": {"team": "x"}}}, size={"maxOutputTokens": 9})
    world.apply(invalid)
    world.await_ready("helper", "False", "PolicyInvalid")
    assert _config(world) == before
    world.apply(agent("newcomer"))
    world.await_ready("newcomer", "False", "PolicyInvalid")
    assert world.conditions("newcomer")["Stalled"][0] == "True"
    assert world.get("deployment", "newcomer") is None
    world.await_ready("typo", "False", "Invalid", kind="agentpolicy")
    world.delete("agentpolicy", "typo")
    world.await_ready("helper")
    world.await_ready("newcomer")


def test_a_typo_in_a_floor_policy_is_refused_and_the_floor_stays(world: World, operator: RunningOperator) -> None:
    world.apply(route(), agent())
    world.await_ready("helper")
    typo = policy("floor", selektor={})
    typo["metadata"]["namespace"] = NAMESPACE
    with pytest.raises(CommandError, match="selektor"):
        world.apply(typo)
    assert _config(world)["sources"]["callers.anonymous"] == [f"{NAMESPACE}/floor"]


def test_a_route_of_which_nothing_is_allowed(world: World, operator: RunningOperator) -> None:
    world.apply(route(), policy(selector={}, models={"allow": [{"host": "api.example.com"}]}))
    world.await_known("internal")
    world.apply(agent())
    world.await_ready("helper", "False", "NoProviderAllowed")
    assert world.conditions("helper")["Stalled"][0] == "True"
    assert world.get("deployment", "helper") is None
    world.delete("agentpolicy", "internal")
    world.await_ready("helper")


def _config(world: World) -> Object:
    document: Object = json.loads(world.get("configmap", "helper")["data"]["agent.json"])
    return document


def test_the_key_set_of_an_issuer_is_followed_in_its_config_map(world: World, operator: RunningOperator) -> None:
    def key_set(kid: str) -> Object:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        text = json.dumps({"keys": [{**ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid}]})
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "login"}, "data": {"jwks.json": text}}

    def kids() -> list[str]:
        (grants,) = _config(world)["policy"]["callers"]["oidc"]
        return [key["kid"] for key in json.loads(grants[0]["jwks"]["inline"])["keys"]]

    jwks = {"configMapKeyRef": {"name": "login", "key": "jwks.json"}}
    oidc = [{"issuer": "https://id.example.com", "audience": "helper", "jwks": jwks}]
    keys = [{"name": "ci", "secretKeyRef": {"name": "agent-keys", "key": "ci"}}]
    world.apply(route(), policy(selector={}, callers={"oidc": oidc, "apiKeys": keys}))
    world.await_known("internal")
    world.apply(agent())
    world.await_ready("helper", "False", "PolicyInvalid")
    assert world.get("deployment", "helper") is None
    world.apply(key_set("one"))
    world.await_ready("helper")
    assert kids() == ["one"]
    volumes = world.get("deployment", "helper")["spec"]["template"]["spec"]["volumes"]
    mounted = next(volume for volume in volumes if volume["name"] == "credentials")["projected"]["sources"]
    assert {"key": "ci", "path": "agent-keys/ci"} in mounted[0]["secret"]["items"]
    assert mounted[0]["secret"]["optional"] is True
    world.apply(key_set("two"))
    eventually("the edit reaches the config", lambda: kids() == ["two"])
    world.await_ready("helper")
    world.delete("configmap", "login")
    world.await_ready("helper", "False", "PolicyInvalid")
    assert kids() == ["two"], "what was in force stays so"
