"""Several pods whose policies need what all of them see, on a real API server."""

import json

from tests.api.operator_fixtures import World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually

PER_CALLER = [{"per": "Caller", "requestsPerMinute": 10}]
REDIS = {"redis": {"url": "redis://redis.data.svc", "passwordFrom": {"secretKeyRef": {"name": "redis", "key": "key"}}}}


def replicas(world: World) -> int:
    found = world.get("deployment", "helper")
    assert found is not None
    count: int = found["spec"]["replicas"]
    return count


def test_a_new_agent_of_several_pods_with_limits_gets_none_until_they_share_a_state(
    world: World, operator: RunningOperator
) -> None:
    world.apply(route(), policy(selector={}, limits=PER_CALLER))
    world.await_known("internal")
    world.apply(agent(scaling={"replicas": 2}))
    world.await_ready("helper", "False", "SharedStateRequired")
    assert world.conditions("helper")["Accepted"] == ("False", "SharedStateRequired")
    assert world.conditions("helper")["Stalled"] == ("True", "SharedStateRequired")
    assert world.get("deployment", "helper") is None
    world.apply(agent(scaling={"replicas": 2}, state=REDIS))
    world.await_ready("helper")
    assert replicas(world) == 2
    config = world.get("configmap", "helper")
    assert config is not None
    state = json.loads(config["data"]["agent.json"])["state"]
    assert state["redis"] == {
        "url": "redis://redis.data.svc",
        "password": {"name": "redis", "secret": "redis", "key": "key"},
    }
    deployment = world.get("deployment", "helper")
    assert deployment is not None
    (mounted,) = (v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "credentials")
    sources = [source["secret"] for source in mounted["projected"]["sources"]]
    wanted = {
        "name": "redis",
        "optional": True,
        "items": [{"key": "key", "path": "redis/key"}, {"key": "hosts", "path": "redis/hosts"}],
    }
    assert wanted in sources


def test_a_running_agent_is_limited_in_each_pod_and_gets_no_more_of_them(
    world: World, operator: RunningOperator
) -> None:
    world.apply(route(), agent(scaling={"replicas": 2}))
    world.await_ready("helper")
    world.apply(policy(selector={}, limits=PER_CALLER))
    world.await_ready("helper", "False", "SharedStateRequired")
    config = world.get("configmap", "helper")
    assert config is not None
    assert len(json.loads(config["data"]["agent.json"])["policy"]["limits"]) == 1
    world.apply(agent(scaling={"replicas": 5}))
    eventually("it was seen", lambda: _observed(world))
    assert replicas(world) == 2
    world.apply(agent(scaling={"replicas": 1}))
    world.await_ready("helper")
    assert replicas(world) == 1


def _observed(world: World) -> bool:
    found = world.get("aiagent", "helper")
    assert found is not None
    seen: bool = found["status"]["observedGeneration"] == found["metadata"]["generation"]
    return seen
