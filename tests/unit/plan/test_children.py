"""What is applied now: the order, the two edits that wait for the pods, and the shape of every child."""

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.children import ChildKind, children, settled
from regent_operator.plan.echo import Echo
from regent_operator.plan.inputs import Installation, ServiceFacts
from regent_operator.plan.observation import Observation
from tests.unit.plan.samples import (
    INSTALLATION,
    LOCAL_HOSTS,
    SERVICES,
    agent,
    deployment,
    echoing,
    for_all,
    inputs,
    pod,
)

WORKLOAD = {
    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "512Mi"}},
    "nodeSelector": {"pool": "agents"},
    "tolerations": [
        {"key": "agents", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 9}
    ],
    "priorityClassName": "steady",
    "imagePullSecrets": [{"name": "registry"}],
}


BEHAVIOR = {
    "scaleUp": {"selectPolicy": "Min", "policies": [{"type": "Percent", "value": 10, "periodSeconds": 1800}]},
    "scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 3600},
}


SHARED = {
    "redis": {"url": "redis://redis.data.svc", "passwordFrom": {"secretKeyRef": {"name": "redis", "key": "word"}}}
}
REDIS = ServiceFacts(selector={"app": "redis"}, target_ports={6379: (6380,)})
COLLECTING = replace(INSTALLATION, collector_url="http://regent-collector.regent-system.svc:8080")


SEAL = "{}"
SCALER = ChildKind("autoscaling/v2", "HorizontalPodAutoscaler")
SCALERS = (SCALER, ChildKind("keda.sh/v1alpha1", "ScaledObject"))


def planned(installation: Installation = INSTALLATION, **changes: Any) -> AgentPlan:
    return plan_agent(inputs(**changes), installation)


def kinds(plan: AgentPlan, seen: Observation | None = None) -> list[str]:
    return [body["kind"] for body in children(plan, seen or Observation(), SEAL).apply]


def body_of(kind: str, plan: AgentPlan, seen: Observation | None = None) -> dict[str, Any]:
    return next(body for body in children(plan, seen or Observation(), SEAL).apply if body["kind"] == kind)


def replicas_of(plan: AgentPlan, seen: Observation) -> int:
    count: int = body_of("Deployment", plan, seen)["spec"]["replicas"]
    return count


def test_the_walls_and_the_config_stand_before_the_pods() -> None:
    assert kinds(planned()) == ["ServiceAccount", "NetworkPolicy", "ConfigMap", "Service", "Deployment"]


def test_several_pods_have_a_disruption_budget_too() -> None:
    assert kinds(planned(agent=agent(scaling={"replicas": 2}))) == [
        "ServiceAccount",
        "NetworkPolicy",
        "ConfigMap",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    ]


def test_a_single_pod_must_not_have_one() -> None:
    assert children(planned(), Observation(), SEAL).absent == (ChildKind("policy/v1", "PodDisruptionBudget"), *SCALERS)
    assert children(planned(agent=agent(scaling={"replicas": 2})), Observation(), SEAL).absent == SCALERS


def test_nothing_is_applied_for_an_agent_without_config() -> None:
    assert children(planned(route=None), Observation(), SEAL) == children(planned(route=None), Observation(), SEAL)
    assert kinds(planned(route=None)) == []
    assert children(planned(route=None), Observation(), SEAL).absent == ()


@pytest.mark.parametrize("version", ["1.33", "1.37"])
@pytest.mark.parametrize("installation", [INSTALLATION, COLLECTING], ids=["", "with a collector"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"scaling": {"replicas": 3}, "workload": WORKLOAD},
        {"scaling": {"replicas": 3}, "state": SHARED},
        {"state": {"redis": {"url": "rediss://cache.example.com:6380"}}},
        {"scaling": {"auto": {}}},
        {"scaling": {"auto": {"minReplicas": 1, "targets": {"cpuUtilization": 5}, "behavior": BEHAVIOR}}},
    ],
)
def test_every_child_is_strictly_valid(version: str, installation: Installation, given: dict[str, Any]) -> None:
    ingress = for_all(
        "ingress",
        callers={"ingressFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}}]},
        **LOCAL_HOSTS,
    )
    services = {**SERVICES, "data/redis": REDIS}
    plan = planned(installation, agent=agent(**given), policies=(ingress,), services=services)
    assert (plan.problems, plan.unreachable) == ((), ())
    for body in children(plan, Observation(), SEAL).apply:
        kubernetes_validate.validate(body, version, strict=True)


def test_strict_validation_would_see_a_wrong_field() -> None:
    body = body_of("Service", planned())
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**body, "spec": {**body["spec"], "port": 1}}, "1.33", strict=True)


def test_every_selector_matches_the_rendered_pods() -> None:
    plan = planned(agent=agent(scaling={"replicas": 2}))
    labels = body_of("Deployment", plan)["spec"]["template"]["metadata"]["labels"]
    selectors = [
        body_of("Deployment", plan)["spec"]["selector"]["matchLabels"],
        body_of("Service", plan)["spec"]["selector"],
        body_of("NetworkPolicy", plan)["spec"]["podSelector"]["matchLabels"],
        body_of("PodDisruptionBudget", plan)["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels.items()


def test_ports_are_named_alike_in_pods_service_and_probes() -> None:
    container = body_of("Deployment", planned())["spec"]["template"]["spec"]["containers"][0]
    numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
    names = numbers.keys()
    assert all(p["targetPort"] == numbers[p["name"]] for p in body_of("Service", planned())["spec"]["ports"])
    assert {
        container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    } <= names


def test_without_a_seal_nothing_is_applied() -> None:
    assert children(planned(), Observation(), None).apply == ()


def test_the_pods_meet_the_restricted_pod_security_standard() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod_spec = body_of("Deployment", planned())["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers"} & pod_spec.keys()
    assert all(volume.keys() - {"name"} <= {"configMap", "emptyDir", "projected"} for volume in pod_spec["volumes"])
    assert pod_spec["securityContext"]["runAsNonRoot"] is True
    assert pod_spec["securityContext"]["runAsUser"] > 0
    assert pod_spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod_spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not {"privileged", "procMount", "seLinuxOptions", "windowsOptions"} & context.keys()
        assert all("hostPort" not in port for port in container["ports"])


def test_no_child_holds_a_token_or_a_secret() -> None:
    plan = planned()
    pod_spec = body_of("Deployment", plan)["spec"]["template"]["spec"]
    assert pod_spec["automountServiceAccountToken"] is False
    assert body_of("ServiceAccount", plan)["automountServiceAccountToken"] is False
    assert {entry["valueFrom"]["fieldRef"]["fieldPath"] for entry in pod_spec["containers"][0]["env"]} == {
        "metadata.name",
        "metadata.uid",
    }


WIDE = planned()
NARROW = planned(policies=(for_all("base", models={"localHosts": ["*.svc"], "allow": [{"host": "*.svc"}]}),))


def test_the_way_out_closes_only_after_every_pod_echoes() -> None:
    wide = body_of("NetworkPolicy", WIDE)["spec"]
    narrow = body_of("NetworkPolicy", NARROW)["spec"]
    behind, ahead = echoing(WIDE, "helper-1"), echoing(NARROW, "helper-2")
    before = Observation(pods=(behind, ahead), let_through=wide)
    assert not settled(NARROW, before)
    assert all(rule in body_of("NetworkPolicy", NARROW, before)["spec"]["egress"] for rule in wide["egress"])
    after = Observation(pods=(ahead,), let_through=wide)
    assert settled(NARROW, after)
    assert body_of("NetworkPolicy", NARROW, after)["spec"] == narrow


def test_the_way_out_opens_before_any_pod_echoes() -> None:
    narrow = body_of("NetworkPolicy", NARROW)["spec"]
    wide = body_of("NetworkPolicy", WIDE)["spec"]
    opened = body_of("NetworkPolicy", WIDE, Observation(pods=(echoing(NARROW),), let_through=narrow))["spec"]
    assert all(rule in opened["egress"] for rule in wide["egress"])


def test_a_pod_that_never_echoes_does_not_keep_the_way_out_open() -> None:
    seen = Observation(pods=(echoing(WIDE),), let_through=body_of("NetworkPolicy", WIDE)["spec"], overdue=True)
    assert body_of("NetworkPolicy", NARROW, seen) == body_of("NetworkPolicy", NARROW)


def test_a_pod_that_cannot_serve_is_not_waited_for() -> None:
    assert settled(WIDE, Observation(pods=(pod(ready=False),)))
    assert not settled(WIDE, Observation(pods=(pod(),)))


SUSPENDED = planned(agent=agent(scaling={"replicas": 3}, suspend=True))
ACTIVE = planned(agent=agent(scaling={"replicas": 3}))


def test_a_suspended_agent_keeps_its_pods_until_each_refuses_new_turns() -> None:
    refuses, serves = echoing(SUSPENDED, "helper-1"), echoing(ACTIVE, "helper-2")
    assert replicas_of(SUSPENDED, Observation(deployment(3), (refuses, serves))) == 3
    assert replicas_of(SUSPENDED, Observation(deployment(3), (refuses,))) == 0


def test_an_echo_of_the_digest_alone_is_no_refusal() -> None:
    halfway = echoing(SUSPENDED, suspended=False)
    assert replicas_of(SUSPENDED, Observation(deployment(3), (halfway,))) == 3


def test_pods_that_cannot_say_so_do_not_hold_a_suspension_up() -> None:
    broken = pod().with_echo(Echo("helper-1-uid", digests=ACTIVE.digests, config_error="unknown schema version 2"))
    assert replicas_of(SUSPENDED, Observation(deployment(3), (broken,))) == 0
    assert replicas_of(SUSPENDED, Observation(deployment(3), (pod(),), overdue=True)) == 0


def test_an_agent_that_is_born_suspended_starts_no_pod() -> None:
    assert replicas_of(SUSPENDED, Observation()) == 0


def test_resuming_restores_the_count() -> None:
    assert replicas_of(ACTIVE, Observation(deployment(0))) == 3


AUTO = planned(agent=agent(scaling={"auto": {}}))
LIMITED = for_all("base", limits=[{"per": "Caller", "requestsPerMinute": 9}], **LOCAL_HOSTS)


def scaled(plan: AgentPlan, seen: Observation) -> tuple[int | None, bool, int]:
    """The Deployment's number of pods if it has one, whether there is an autoscaler, and what that begins with."""
    made = children(plan, seen, SEAL)
    bodies = {body["kind"]: body for body in made.apply}
    has_scaler = SCALER.kind in bodies
    assert has_scaler == (SCALER not in made.absent)
    return bodies["Deployment"]["spec"].get("replicas"), has_scaler, made.replicas


def test_an_autoscaler_comes_after_the_deployment_that_leaves_the_number_to_it() -> None:
    assert kinds(AUTO) == [
        "ServiceAccount",
        "NetworkPolicy",
        "ConfigMap",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "HorizontalPodAutoscaler",
    ]
    assert scaled(AUTO, Observation()) == (None, True, 3)


@pytest.mark.parametrize("live", [1, 7, 30])
def test_switching_to_an_autoscaler_begins_with_the_pods_that_there_are(live: int) -> None:
    assert scaled(AUTO, Observation(deployment(live))) == (None, True, live)


def test_where_keda_scales_its_object_stands_in_the_autoscalers_place_and_never_beside_it() -> None:
    keda = replace(INSTALLATION, keda_url="http://regent-metrics-api.regent-system.svc:8080")
    on = plan_agent(inputs(agent=agent(scaling={"auto": {}})), keda)
    made = children(on, Observation(deployment(7)), SEAL)
    assert [body["kind"] for body in made.apply][-2:] == ["Deployment", "ScaledObject"]
    assert "replicas" not in made.apply[-2]["spec"]
    assert (made.absent, made.replicas) == ((SCALER,), 7)
    off = children(plan_agent(inputs(agent=agent(scaling={"replicas": 7})), keda), Observation(deployment(7)), SEAL)
    assert ChildKind("keda.sh/v1alpha1", "ScaledObject") in off.absent
    assert off.apply[-1]["spec"]["replicas"] == 7


def test_an_autoscaler_never_begins_with_none() -> None:
    assert scaled(AUTO, Observation(deployment(0))) == (None, True, 3)


def test_switching_to_a_number_takes_the_autoscaler_away() -> None:
    seven = planned(agent=agent(scaling={"replicas": 7}))
    assert scaled(seven, Observation(deployment(7))) == (7, False, 7)
    same = planned(agent=agent(scaling={"auto": {"minReplicas": 4, "maxReplicas": 4}}))
    assert scaled(same, Observation(deployment(7))) == (4, False, 4)


def test_a_suspended_agent_has_no_autoscaler_and_begins_with_the_fewest_again() -> None:
    suspended = planned(agent=agent(scaling={"auto": {"minReplicas": 2}}, suspend=True))
    resumed = planned(agent=agent(scaling={"auto": {"minReplicas": 2}}))
    refuses, serves = echoing(suspended, "helper-1"), echoing(resumed, "helper-2")
    assert scaled(suspended, Observation(deployment(9), (refuses, serves))) == (9, False, 9)
    assert scaled(suspended, Observation(deployment(9), (refuses,))) == (0, False, 0)
    assert scaled(resumed, Observation(deployment(0))) == (None, True, 2)


@pytest.mark.parametrize(("live", "kept"), [(2, 2), (7, 7), (30, 20), (0, 0)])
def test_pods_that_lack_a_state_to_share_become_no_more_by_an_autoscaler(live: int, kept: int) -> None:
    plan = planned(agent=agent(scaling={"auto": {}}), policies=(LIMITED,), last=AUTO.config)
    assert [problem.reason for problem in plan.problems] == ["SharedStateRequired"]
    assert scaled(plan, Observation(deployment(live))) == (kept, False, kept)


def test_children_last_where_nothing_is_to_be_closed_when_pods_hold_the_config() -> None:
    wide, narrow = (body_of("NetworkPolicy", plan)["spec"] for plan in (WIDE, NARROW))
    behind = Observation(pods=(echoing(WIDE),))
    assert children(NARROW, replace(behind, let_through=narrow), SEAL).lasting
    assert not children(NARROW, replace(behind, let_through=wide), SEAL).lasting
    assert children(NARROW, replace(behind, let_through=wide, overdue=True), SEAL).lasting
