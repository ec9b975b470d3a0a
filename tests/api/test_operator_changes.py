"""Edits while agents run: what changes, in which order, and what the status says on the way."""

import json
import time

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, World, agent, policy, route
from tests.api.running_operator import NAMESPACE, RunningOperator, eventually

CLOUD = {
    "name": "cloud",
    "type": "OpenAI",
    "baseURL": "https://api.example.com/v1",
    "api": "ChatCompletions",
    "model": "large",
    "maxSensitivity": "Internal",
    "credentials": [{"name": "main", "secretKeyRef": {"name": "cloud", "key": "token"}}],
}
TWO_WAYS = {
    "providers": [*route()["spec"]["providers"], CLOUD],
    "rules": [{"name": "all", "providers": [{"name": "demo"}, {"name": "cloud"}]}],
}
TWO_OPEN_WAYS = TWO_WAYS | {
    "providers": [*route()["spec"]["providers"], {name: CLOUD[name] for name in CLOUD if name != "credentials"}]
}
"""Without credentials, so that a change of the route replaces no pods."""


def test_a_policy_edit_is_enforced_in_the_same_pods(world: World, operator: RunningOperator) -> None:
    _run(world)
    before, pods = world.configs_digest("helper"), _pods(world)
    started = time.monotonic()
    world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 128}}})
    digest = eventually("a new digest", lambda: world.configs_digest("helper") not in {before, ""})
    world.await_ready("helper")
    print(f"policy edit to enforced, with kubectl: {time.monotonic() - started:.2f} s")  # noqa: T201
    assert digest
    assert _pods(world) == pods
    assert _config(world)["policy"]["size"]["maxOutputTokens"] == 128
    eventually("the policy's own status", lambda: _digest(world, "agentpolicy", "internal") and _enforced(world))
    world.await_ready("internal", reason="Enforced", kind="agentpolicy")


def test_until_the_pods_prove_it_an_edit_is_not_enforced(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    _run(world)
    kubelet.rules.keep_old_config = True
    world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 128}}})
    world.await_ready("helper", "False", "NotYetEnforced")
    assert world.conditions("helper")["PolicyEnforced"] == ("False", "NotYetEnforced")
    assert world.conditions("helper")["Reconciling"][0] == "True"
    world.await_ready("internal", "False", "NotYetEnforced", kind="agentpolicy")
    kubelet.rules.keep_old_config = False
    world.await_ready("helper")
    world.await_ready("internal", reason="Enforced", kind="agentpolicy")


def test_a_config_that_a_pod_refuses_is_told_in_the_pods_words(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    _run(world)
    kubelet.rules.refuse_config = "schema version 7 is not known"
    world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 128}}})
    found = world.await_ready("helper", "False", "ConfigRefused")
    assert "schema version 7 is not known" in json.dumps(found["status"])
    kubelet.rules.refuse_config = ""
    world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 64}}})
    world.await_ready("helper")


def test_egress_opens_before_and_closes_after_the_config(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    world.apply(agent(scaling={"replicas": 2}), policy(selector={}), route(**TWO_OPEN_WAYS))
    world.await_ready("helper")
    assert _reaches_the_outside(world)
    kubelet.rules.keep_old_config = True
    world.apply(route())
    world.await_ready("helper", "False", "NotYetEnforced")
    assert _reaches_the_outside(world), "the pods still hold the old config, so its way out stays open"
    kubelet.rules.keep_old_config = False
    eventually("closed", lambda: not _reaches_the_outside(world))
    mark = operator.mark_now()
    kubelet.rules.keep_old_config = True
    world.apply(route(**TWO_OPEN_WAYS))
    eventually("opened although no pod has the config yet", lambda: _reaches_the_outside(world))

    def written() -> list[str]:
        ours = [r for r in operator.writes(mark) if r.namespace == world.namespace]
        return [r.resource for r in sorted(ours, key=lambda r: r.at)]

    eventually("both are in the account", lambda: {"networkpolicies", "configmaps"} <= set(written()))
    assert written().index("networkpolicies") < written().index("configmaps")


def test_a_hand_edit_of_the_walls_while_pods_lag_never_becomes_ours(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    world.apply(agent(scaling={"replicas": 2}), policy(selector={}), route(**TWO_OPEN_WAYS))
    world.await_ready("helper")
    kubelet.rules.keep_old_config = True
    world.apply(route())
    world.await_ready("helper", "False", "NotYetEnforced")
    world.patch("networkpolicy", "helper", {"spec": {"ingress": [{}]}})
    eventually("healed while pods lag", lambda: {} not in _walls(world)["ingress"])
    world.patch("networkpolicy", "helper", {"spec": {"egress": [{}]}})
    world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 128}}})
    eventually("healed though a further edit came", lambda: {} not in _walls(world)["egress"])
    eventually("the edit", lambda: _config(world)["policy"]["size"]["maxOutputTokens"] == 128)
    assert {} not in [*_walls(world)["ingress"], *_walls(world)["egress"]]
    assert _reaches_the_outside(world), "the first edit's way out stays open until the pods hold a config without it"
    kubelet.rules.keep_old_config = False
    eventually("closed", lambda: not _reaches_the_outside(world))


def test_suspension_is_proved_before_the_pods_go_and_undone(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    _run(world)
    kubelet.rules.keep_old_config = True
    world.patch("aiagent", "helper", {"spec": {"suspend": True}})
    eventually("the config says so", lambda: _config(world).get("suspended"))
    time.sleep(1)
    assert world.get("deployment", "helper")["spec"]["replicas"] == 2
    kubelet.rules.keep_old_config = False
    world.await_ready("helper", "True", "Suspended")
    eventually("no pods", lambda: not _pods(world))
    assert world.get("deployment", "helper")["spec"]["replicas"] == 0
    world.patch("aiagent", "helper", {"spec": {"suspend": False}})
    world.await_ready("helper")
    assert world.get("deployment", "helper")["spec"]["replicas"] == 2


def test_scaling_changes_the_deployment_alone(world: World, operator: RunningOperator) -> None:
    _run(world, replicas=1)
    assert world.get("poddisruptionbudget", "helper") is None
    pods = _pods(world)
    world.patch("aiagent", "helper", {"spec": {"scaling": {"replicas": 3}}})
    eventually("3 pods enforced", lambda: _enforced(world) == "3/3")
    assert pods <= _pods(world)
    assert world.get("poddisruptionbudget", "helper") is not None
    world.patch("aiagent", "helper", {"spec": {"scaling": {"replicas": 1}}})
    eventually("1 pod", lambda: _enforced(world) == "1/1" and len(_pods(world)) == 1)
    eventually("no budget for one pod", lambda: world.get("poddisruptionbudget", "helper") is None)


def test_other_credentials_roll_the_pods(world: World, operator: RunningOperator) -> None:
    _run(world)
    pods = _pods(world)
    world.apply(route(**TWO_WAYS))
    eventually("all pods new", lambda: not pods & _pods(world) and len(_pods(world)) == 2)
    world.await_ready("helper")


def test_a_secret_that_pods_miss_is_named(world: World, operator: RunningOperator, kubelet: FakeKubelet) -> None:
    kubelet.rules.missing_credentials = ("cloud/token",)
    world.apply(agent(), policy(selector={}), route(**TWO_WAYS))
    found = world.await_ready("helper", "False", "CredentialsMissing")
    assert "cloud/token" in json.dumps(found["status"])


def test_a_configmap_edited_to_be_laxer_is_seen_and_healed(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    _run(world)
    document = _config(world)
    document["policy"]["callers"]["anonymous"] = "Allow"
    world.patch("configmap", "helper", {"data": {"agent.json": json.dumps(document)}})
    eventually("healed", lambda: _config(world)["policy"]["callers"]["anonymous"] == "Deny")
    world.await_ready("helper")
    found = eventually("an Event tells of it", lambda: _events(world, "Healed"))
    assert found[0]["regarding"]["name"] == "helper"


def test_instructions_of_a_config_map_are_followed(world: World, operator: RunningOperator) -> None:
    text = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"}, "data": {"main": "First."}}
    reference = {"configMapKeyRef": {"name": "texts", "key": "main"}}
    world.apply(agent(instructions=reference), policy(selector={}), route())
    world.await_ready("helper", "False", "InstructionsMissing")
    assert world.get("deployment", "helper") is None
    world.apply(text)
    world.await_ready("helper")
    world.patch("configmap", "texts", {"data": {"main": "Second."}})
    eventually("the new text", lambda: _config(world)["instructions"] == "Second.")
    world.await_ready("helper")
    world.delete("configmap", "texts")
    world.await_ready("helper", "False", "InstructionsMissing")
    assert _config(world)["instructions"] == "Second.", "a running agent keeps its config"
    world.patch("aiagent", "helper", {"spec": {"instructions": {"inline": "Third.", "configMapKeyRef": None}}})
    world.await_ready("helper")


def test_a_service_of_a_provider_is_followed(world: World, operator: RunningOperator) -> None:
    local = dict(route()["spec"]["providers"][0], baseURL=f"http://model.{world.namespace}.svc:8080/v1")
    world.apply(agent(), policy(selector={}), route(providers=[local]))
    world.await_ready("helper")
    assert not _opens_port(world, 9000)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "model"},
        "spec": {"selector": {"app": "model"}, "ports": [{"port": 8080, "targetPort": 9000}]},
    }
    world.apply(service)
    eventually("the way to its pods", lambda: _opens_port(world, 9000))
    world.patch("service", "model", {"spec": {"ports": [{"port": 8080, "targetPort": 9001}]}})
    eventually("the new port", lambda: _opens_port(world, 9001) and not _opens_port(world, 9000))


def test_a_named_target_port_is_opened_by_the_number_that_the_endpoints_say(
    world: World, operator: RunningOperator
) -> None:
    local = dict(route()["spec"]["providers"][0], baseURL=f"http://model.{world.namespace}.svc:8080/v1")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "model"},
        "spec": {"selector": {"app": "model"}, "ports": [{"name": "api", "port": 8080, "targetPort": "http"}]},
    }
    world.apply(service, agent(), policy(selector={}), route(providers=[local]))
    world.await_ready("helper")
    eventually("it is said", lambda: "no pod of it is there" in _reference_words(world))
    assert _opened_to_pods(world) == []
    world.apply(_endpoints("model-1", 9000))
    eventually("the number", lambda: _opened_to_pods(world) == [9000])
    eventually("nothing is left to say", lambda: "Nothing to do" in _reference_words(world))
    world.apply(_endpoints("model-2", 9001))
    eventually("both, while the pods change", lambda: _opened_to_pods(world) == [9000, 9001])
    world.delete("endpointslice", "model-1")
    eventually("the new number alone", lambda: _opened_to_pods(world) == [9001])
    edits = _edits_of_walls(world)
    world.delete("endpointslice", "model-2")
    world.apply(_endpoints("model-3", 9001))
    world.apply(_endpoints("model-4", 9002))
    eventually("what comes after the gap", lambda: _opened_to_pods(world) == [9001, 9002])
    assert _edits_of_walls(world) == edits + 1, "the way stayed open while no pod was there"


def test_a_namespace_that_is_relabelled_comes_under_a_floor_policy(world: World, operator: RunningOperator) -> None:
    _run(world)
    strict = policy("strict", selector={"namespaces": {"matchLabels": {"tier": world.namespace}}})
    strict["spec"]["size"] = {"maxOutputTokens": 77}
    strict["metadata"]["namespace"] = NAMESPACE
    world.apply(strict)
    try:
        world.cluster.kubectl("label", "namespace", world.namespace, f"tier={world.namespace}")
        eventually("stricter", lambda: _config(world)["policy"]["size"]["maxOutputTokens"] == 77)
        world.cluster.kubectl("label", "namespace", world.namespace, "tier-")
        eventually("as before", lambda: _config(world)["policy"]["size"]["maxOutputTokens"] == 1024)
        assert eventually("an Event says what widened", lambda: _events(world, "PolicyWidened"))
    finally:
        world.delete("agentpolicy", "strict", namespace=NAMESPACE)


def _run(world: World, replicas: int = 2) -> None:
    world.apply(route(), policy(selector={}), agent(scaling={"replicas": replicas}))
    world.await_ready("helper")
    eventually("all pods", lambda: _enforced(world) == f"{replicas}/{replicas}")


def _pods(world: World) -> set[str]:
    return {pod["metadata"]["uid"] for pod in world.all("pods") if "deletionTimestamp" not in pod["metadata"]}


def _config(world: World) -> Object:
    document: Object = json.loads(world.get("configmap", "helper")["data"]["agent.json"])
    return document


def _enforced(world: World) -> str:
    return world.get("aiagent", "helper")["status"]["enforced"]


def _digest(world: World, kind: str, name: str) -> str:
    return world.get(kind, name)["status"].get("digest", "")


def _events(world: World, reason: str) -> list[Object]:
    return [event for event in world.all("events.events.k8s.io") if event["reason"] == reason]


def _egress(world: World) -> list[Object]:
    return world.get("networkpolicy", "helper")["spec"]["egress"]


def _reaches_the_outside(world: World) -> bool:
    return _opens_port(world, 443)


def _edits_of_walls(world: World) -> int:
    """By the API server: closed and opened again would be two."""
    generation: int = world.get("networkpolicy", "helper")["metadata"]["generation"]
    return generation


def _walls(world: World) -> Object:
    spec: Object = world.get("networkpolicy", "helper")["spec"]
    return spec


def _endpoints(name: str, port: int) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "model"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"name": "api", "port": port, "protocol": "TCP"}],
    }


def _opened_to_pods(world: World) -> list[int]:
    return sorted(port for rule in _egress(world) for port in _ports_to_pods(rule))


def _ports_to_pods(rule: Object) -> list[int]:
    to_model = any((peer.get("podSelector") or {}).get("matchLabels") == {"app": "model"} for peer in rule["to"])
    return [port["port"] for port in rule.get("ports", [])] if to_model else []


def _reference_words(world: World) -> str:
    conditions = world.get("aiagent", "helper")["status"]["conditions"]
    return next((c["message"] for c in conditions if c["type"] == "ResolvedRefs"), "")


def _opens_port(world: World, port: int) -> bool:
    return any(p["port"] == port for rule in _egress(world) for p in rule.get("ports", []))
