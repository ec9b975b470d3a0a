"""Where pods keep what outlives a turn: the config, the way to it, and what several pods need."""

from dataclasses import replace
from typing import Any

import pytest

from regent_api.config import AgentConfig, CredentialFile, RedisConfig, StateConfig
from regent_api.status import ConditionType, Reason
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.children import children, replicas
from regent_operator.plan.hosts import services_of
from regent_operator.plan.inputs import ServiceFacts
from regent_operator.plan.networkpolicy import build
from regent_operator.plan.observation import Observation
from regent_operator.plan.ranges import outside
from regent_operator.plan.state import is_inside, state_config
from regent_operator.plan.status import agent_status
from tests.unit.plan.samples import (
    INSTALLATION,
    LOCAL_HOSTS,
    NOW,
    ONPREM,
    SERVICES,
    agent,
    deployment,
    for_all,
    inputs,
    route,
)

BASE = for_all("base", **LOCAL_HOSTS)
PER_CALLER = [{"per": "Caller", "requestsPerMinute": 10}]
LIMITED = for_all("limited", limits=PER_CALLER)
APPROVED = for_all("approved", data={"classes": {"Internal": {"aiProcessing": "AllowedWithApproval"}}})
PASSWORD = {"secretKeyRef": {"name": "redis", "key": "password"}}
IN_CLUSTER = {"redis": {"url": "redis://redis.data.svc", "passwordFrom": PASSWORD}}
REDIS_FACTS = {"data/redis": ServiceFacts(selector={"app": "redis"}, target_ports={6379: (6380,)})}
PRICED = route(
    providers=[{**ONPREM, "price": {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"}}],
    rules=[{"name": "all", "providers": [{"name": "onprem"}]}],
)
LOCAL_ONLY = route(providers=[ONPREM], rules=[{"name": "all", "providers": [{"name": "onprem"}]}])


def pods(count: int, **spec: Any) -> Any:
    return agent(scaling={"replicas": count}, **spec)


def at(url: str) -> dict[str, Any]:
    return {"redis": {"url": url}}


def planned(**changes: Any) -> AgentPlan:
    return plan_agent(inputs(**{"policies": (BASE,), **changes}), INSTALLATION)


def running(**changes: Any) -> AgentConfig:
    made = planned(**changes).config
    assert made is not None
    return made


def test_one_pod_keeps_conversations_itself() -> None:
    assert state_config(agent()) == StateConfig(conversations=True)


def test_several_pods_keep_none_without_a_redis() -> None:
    assert state_config(pods(2)) == StateConfig(conversations=False)


def test_pods_that_an_autoscaler_may_make_several_keep_none_either() -> None:
    assert state_config(agent(scaling={"auto": {"minReplicas": 1}})) == StateConfig(conversations=False)
    assert state_config(agent(scaling={"auto": {"minReplicas": 1, "maxReplicas": 1}})).conversations


def test_bounds_of_several_pods_need_a_state_to_share_like_a_number() -> None:
    (problem,) = planned(agent=agent(scaling={"auto": {"minReplicas": 1}}), policies=(BASE, LIMITED)).problems
    assert problem.reason is Reason.SHARED_STATE_REQUIRED
    assert problem.message.startswith("limits of acme/limited: 20 pods can only keep to this")


def test_pods_are_told_where_their_redis_is_and_where_its_password_lies() -> None:
    password = CredentialFile(name="redis", secret="redis", key="password")
    redis = RedisConfig(url="redis://redis.data.svc", password=password)
    assert running(agent=pods(2, state=IN_CLUSTER)).state == StateConfig(conversations=True, redis=redis)


def test_the_password_is_mounted_like_a_credential() -> None:
    assert ("redis", "password") in planned(agent=agent(state=IN_CLUSTER)).credentials
    assert ("redis", "password") not in planned(agent=agent(state=at("redis://redis.data.svc"))).credentials


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (LIMITED, "limits of acme/limited"),
        (APPROVED, "data.classes.Internal.aiProcessing of acme/approved"),
    ],
)
def test_several_pods_without_a_redis_are_not_accepted_where_a_policy_needs_one(policy: Any, field: str) -> None:
    plan = planned(agent=pods(3), policies=(BASE, policy))
    (problem,) = plan.problems
    assert (problem.type, problem.reason) == (ConditionType.ACCEPTED, Reason.SHARED_STATE_REQUIRED)
    assert problem.message == (
        f"{field}: 3 pods can only keep to this with a state that all of them share. "
        "Set spec.state.redis, or spec.scaling.replicas: 1."
    )
    assert plan.config is None, "a new agent gets no pods"
    ready, accepted = agent_status(plan, Observation(), None, NOW).conditions[:2]
    assert (ready.status, ready.reason) == ("False", "SharedStateRequired")
    assert (accepted.type, accepted.status, accepted.reason) == ("Accepted", "False", "SharedStateRequired")


@pytest.mark.parametrize("policy", [LIMITED, APPROVED])
@pytest.mark.parametrize("subject", [pods(1), pods(3, state=IN_CLUSTER)])
def test_one_pod_or_a_redis_is_enough(policy: Any, subject: Any) -> None:
    assert planned(agent=subject, policies=(BASE, policy)).problems == ()


def test_several_pods_need_nothing_where_no_policy_needs_it() -> None:
    assert planned(agent=pods(3)).problems == ()


@pytest.mark.parametrize(
    ("subject", "reason"),
    [(pods(1), "Accepted"), (pods(3), "NoConversations"), (pods(3, state=IN_CLUSTER), "Accepted")],
)
def test_that_no_ids_of_conversations_are_issued_is_told(subject: Any, reason: str) -> None:
    accepted = agent_status(planned(agent=subject), Observation(), None, NOW).conditions[1]
    assert (accepted.type, accepted.status, accepted.reason) == ("Accepted", "True", reason)
    assert ("3 pods share no state" in accepted.message) == (reason == "NoConversations")


def test_a_running_agent_takes_the_limits_up_and_says_that_they_are_not_kept_together() -> None:
    last = running(agent=pods(2))
    plan = planned(agent=pods(2), policies=(BASE, LIMITED), last=last)
    assert plan.problems[0].reason is Reason.SHARED_STATE_REQUIRED
    assert plan.config is not None
    assert len(plan.config.policy.limits) == 1


@pytest.mark.parametrize(("live", "wanted", "count"), [(1, 5, 1), (2, 5, 2), (5, 2, 2), (3, 3, 3)])
def test_no_pod_is_added_while_a_state_to_share_is_lacking(live: int, wanted: int, count: int) -> None:
    """Or whoever may edit the agent, and not its policies, could let through as much as there are pods."""
    last = running(policies=(BASE, LIMITED))
    plan = planned(agent=pods(wanted), policies=(BASE, LIMITED), last=last)
    seen = Observation(deployment=deployment(live))
    assert replicas(plan, seen) == count
    made = next(body for body in children(plan, seen, "seal").apply if body["kind"] == "Deployment")
    assert made["spec"]["replicas"] == count


@pytest.mark.parametrize(
    ("url", "policy", "reason", "words"),
    [
        ("redis://cache.example.com", {}, Reason.INVALID, "write rediss://"),
        ("redis://203.0.113.7", {}, Reason.INVALID, "write rediss://"),
        ("rediss://cache.example.com", {"hosts": ["api.openai.com"]}, Reason.SHARED_STATE_REQUIRED, "does not let"),
        ("redis://redis.data.svc", {"hosts": ["*.models.svc"]}, Reason.SHARED_STATE_REQUIRED, "acme/egress"),
    ],
)
def test_a_redis_that_may_not_be_reached_is_not_accepted(url: str, policy: Any, reason: Reason, words: str) -> None:
    policies = (BASE, for_all("egress", egress={"hosts": ["*.models.svc"], **policy})) if policy else (BASE,)
    problem = planned(agent=agent(state=at(url)), policies=policies, route=LOCAL_ONLY).problems[0]
    assert (problem.type, problem.reason) == (ConditionType.ACCEPTED, reason)
    assert words in problem.message


def egress(url: str, services: Any = SERVICES) -> list[dict[str, Any]]:
    config = running(agent=agent(state=at(url)), route=LOCAL_ONLY)
    rules: list[dict[str, Any]] = build(agent(), config, services, INSTALLATION)["spec"]["egress"]
    without = build(agent(), running(route=LOCAL_ONLY), services, INSTALLATION)["spec"]["egress"]
    return [rule for rule in rules if rule not in without]


def test_the_way_to_a_redis_in_the_cluster_is_open_to_its_pods_and_port() -> None:
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}},
        "podSelector": {"matchLabels": {"app": "redis"}},
    }
    expected = [{"to": [peer], "ports": [{"port": 6380, "protocol": "TCP"}]}]
    assert egress("redis://redis.data.svc", {**SERVICES, **REDIS_FACTS}) == expected


def test_an_address_of_the_cluster_is_open_by_itself() -> None:
    expected = [{"to": [{"ipBlock": {"cidr": "10.211.3.4/32"}}], "ports": [{"port": 7000, "protocol": "TCP"}]}]
    assert egress("redis://10.211.3.4:7000") == expected


def test_a_redis_outside_is_reached_at_public_addresses() -> None:
    blocks = [{"ipBlock": block} for block in outside(None, INSTALLATION.cluster_cidrs)]
    expected = [{"to": blocks, "ports": [{"port": 6379, "protocol": "TCP"}]}]
    assert egress("rediss://cache.example.com") == expected


def test_a_redis_whose_service_is_not_there_is_told() -> None:
    plan = planned(agent=agent(state=at("redis://redis.data.svc")))
    assert plan.unreachable == ("spec.state.redis: the Service data/redis does not exist or may not be read",)


def test_the_service_of_the_state_is_one_that_the_plan_wants_to_know() -> None:
    assert services_of(agent(state=IN_CLUSTER).spec, None, "cluster.local") == {"data/redis"}


@pytest.mark.parametrize(
    ("host", "inside"),
    [("redis.data.svc", True), ("10.211.3.4", True), ("10.1.2.3", False), ("redis.example.com", False)],
)
def test_what_lies_inside(host: str, inside: bool) -> None:
    assert is_inside(host, INSTALLATION) is inside
    assert is_inside(host, replace(INSTALLATION, cluster_cidrs=())) is host.endswith(".svc")


@pytest.mark.parametrize("field", ["perDayUsd", "perMonthUsd"])
def test_money_of_days_is_counted_in_a_state_that_outlives_pods(field: str) -> None:
    paid = for_all("paid", budget={field: "5"})
    problem = planned(policies=(BASE, paid), route=PRICED).problems[0]
    assert (problem.type, problem.reason, problem.message) == (
        ConditionType.ACCEPTED,
        Reason.SHARED_STATE_REQUIRED,
        f"budget.{field} of acme/paid: money is counted in a state that outlives pods. Set spec.state.redis.",
    )
    assert planned(policies=(BASE, paid), route=PRICED, agent=agent(state=IN_CLUSTER)).problems == ()


def test_one_pod_counts_conversations_money_itself_and_several_need_a_redis() -> None:
    paid = for_all("paid", budget={"perConversationUsd": "5"})
    assert planned(policies=(BASE, paid), route=PRICED).problems == ()
    (problem,) = planned(policies=(BASE, paid), route=PRICED, agent=pods(2)).problems
    assert problem.reason is Reason.SHARED_STATE_REQUIRED
    assert "budget.perConversationUsd of acme/paid" in problem.message
    assert planned(policies=(BASE, paid), route=PRICED, agent=pods(2, state=IN_CLUSTER)).problems == ()


def test_limits_of_a_provider_reach_the_pods_and_several_of_them_need_a_state_to_share() -> None:
    limits = {"requestsPerMinute": 60, "tokensPerMinute": 90_000, "maxConcurrent": 4}
    limited = route(
        providers=[{**ONPREM, "limits": limits}], rules=[{"name": "all", "providers": [{"name": "onprem"}]}]
    )
    (told,) = running(route=limited).route.providers
    assert told.limits is not None
    assert told.limits.wire() == limits
    assert planned(agent=pods(2, state=at("redis://redis.data.svc:6379")), route=limited).problems == ()
    (problem,) = planned(agent=pods(2), route=limited).problems
    assert (problem.type, problem.reason) == (ConditionType.ACCEPTED, Reason.SHARED_STATE_REQUIRED)
    assert "providers.limits of onprem in ModelRoute hybrid" in problem.message
