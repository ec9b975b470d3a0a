"""Objects that come late, go early, or are wrong: GitOps applies in any order, and nothing may fail open."""

import itertools
import json
from collections.abc import Iterator

import pytest

from tests.cluster import CommandError
from tests.e2e import caller, manifests
from tests.e2e.conftest import SYSTEM, Installed
from tests.e2e.kube import History, Object, condition, kstatus, recorded, standing_still
from tests.e2e.test_operator import comes_up

ORDERS = list(itertools.permutations(("agent", "policy", "route")))


@pytest.fixture(scope="module")
def cloud(regent: Installed) -> Iterator[str]:
    """Host of a stand-in that all the agents of this module share."""
    where = regent.namespace()
    regent.standin("cloud", where)
    yield f"cloud.{where}.svc"
    regent.discard(where)


def parts(where: str, cloud: str) -> dict[str, Object]:
    return {
        "agent": manifests.agent("helper", where, "route", policyRefs=[{"name": "house"}]),
        "policy": manifests.policy("house", where, size={"maxOutputTokens": 32}),
        "route": manifests.route("route", where, [manifests.provider("cloud", cloud)]),
    }


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_references_may_come_in_any_order(
    regent: Installed, namespace: str, cloud: str, order: tuple[str, str, str]
) -> None:
    kube = regent.kube
    missing = {"policy": "PolicyMissing", "route": "RouteMissing"}
    applied: set[str] = set()
    for part in order:
        kube.apply(parts(namespace, cloud)[part])
        applied.add(part)
        lacking = [reason for name, reason in missing.items() if name not in applied]
        if "agent" in applied and lacking:
            found = kube.until_condition("aiagent", "helper", namespace, "Ready", "False", lacking[0])
            assert kstatus(found) == ["InProgress"]
            assert kube.find("deployment", "helper", namespace) is None
    assert kstatus(kube.until_ready("helper", namespace)) == ["Current"]


def tells_what_is_missing(history: History, reason: str) -> None:
    """Before, while it is missing and after; and that the last config is in force all the while."""
    first, missing, *between, last = history.of("Ready")
    assert first == last == ("True", "Ready")
    assert missing == ("False", reason)
    assert {status for status, _ in between} <= {"False"}
    assert history.phases() == ["Current", "InProgress", "Current"]
    for type_ in ("Accepted", "PolicyEnforced", "WorkloadAvailable"):
        assert {status for status, _ in history.of(type_)} == {"True"}, type_


def test_deleting_a_policy_that_is_named_keeps_the_config(regent: Installed, namespace: str, cloud: str) -> None:
    kube = regent.kube
    kube.apply(*parts(namespace, cloud).values())
    before = kube.until_ready("helper", namespace)["status"]["digests"]
    uids = kube.pod_uids("helper", namespace)
    with recorded(kube, namespace) as history:
        kube.delete("agentpolicy", "house", namespace)
        found = kube.until_condition("aiagent", "helper", namespace, "ResolvedRefs", "False", "PolicyMissing")
        assert found["status"]["digests"]["policy"] == before["policy"]
        assert "house" in condition(found, "Ready")["message"]
        assert kube.pod_uids("helper", namespace) == uids
        size = next(entry for entry in found["status"]["effective"] if entry["field"] == "size.maxOutputTokens")
        assert size["value"] == "32"
        kube.apply(parts(namespace, cloud)["policy"])
        kube.until_ready("helper", namespace)
    tells_what_is_missing(history, "PolicyMissing")
    kube.until_condition("agentpolicy", "house", namespace, "Ready", "True", "Enforced")
    assert kube.pod_uids("helper", namespace) == uids


def test_deleting_a_policy_that_was_not_named_plans_without_it(regent: Installed, namespace: str, cloud: str) -> None:
    kube = regent.kube
    kube.apply(*parts(namespace, cloud).values())
    kube.apply(manifests.policy("extra", namespace, selector={}, size={"maxOutputTokens": 8}))

    def tokens() -> str:
        effective = kube.get("aiagent", "helper", namespace)["status"].get("effective") or []
        return next((entry["value"] for entry in effective if entry["field"] == "size.maxOutputTokens"), "")

    kube.until("the extra policy is in force", lambda: tokens() == "8")
    kube.until_ready("helper", namespace)
    with recorded(kube, namespace) as history:
        kube.delete("agentpolicy", "extra", namespace)
        kube.until("it is no more", lambda: tokens() == "32")
        kube.until_ready("helper", namespace)
    first, *between, last = history.of("Ready")
    assert first == last == ("True", "Ready")
    assert set(between) == {("False", "NotYetEnforced")}
    assert set(history.phases()) == {"Current", "InProgress"}
    kube.until(
        "an Event says what widened",
        lambda: any(
            "size.maxOutputTokens" in json.dumps(event)
            for event in kube.all_of("events", namespace)
            if "helper" in json.dumps(event)
        ),
    )


def test_deleting_a_route_in_use_keeps_the_config(regent: Installed, namespace: str, cloud: str) -> None:
    kube = regent.kube
    kube.apply(*parts(namespace, cloud).values())
    before = kube.until_ready("helper", namespace)["status"]["digests"]
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")
    with recorded(kube, namespace) as history:
        kube.delete("modelroute", "route", namespace)
        found = kube.until_condition("aiagent", "helper", namespace, "ResolvedRefs", "False", "RouteMissing")
        assert found["status"]["digests"] == before
        assert friend.ask(f"{namespace}/helper", stream=False).status == 200
        kube.apply(parts(namespace, cloud)["route"])
        kube.until_ready("helper", namespace)
    tells_what_is_missing(history, "RouteMissing")
    kube.until_condition("modelroute", "route", namespace, "Ready", "True", "Enforced")


def test_a_typo_in_a_floor_policy_is_refused_and_the_floor_stays(regent: Installed, namespace: str, cloud: str) -> None:
    kube = regent.kube
    kube.apply(*parts(namespace, cloud).values())
    before = kube.until_ready("helper", namespace)["status"]["digests"]
    floor = kube.get("agentpolicy", "floor", SYSTEM)
    typo = manifests.policy("floor", SYSTEM, **(floor["spec"] | {"calers": {"anonymous": "Allow"}}))
    with standing_still(kube, namespace):
        with pytest.raises(CommandError) as refusal:
            kube.apply(typo)
        assert "spec.calers" in str(refusal.value)
        kept = kube.until_condition("agentpolicy", "floor", SYSTEM, "Ready", "True", "Enforced")
        assert kept["spec"] == floor["spec"]
        assert kept["status"]["digest"] == floor["status"]["digest"]
    assert kube.until_ready("helper", namespace)["status"]["digests"] == before


def test_an_invalid_policy_stops_new_agents_and_keeps_running_ones(
    regent: Installed, namespace: str, cloud: str
) -> None:
    kube = regent.kube
    kube.apply(*parts(namespace, cloud).values())
    before = kube.until_ready("helper", namespace)["status"]["digests"]
    everywhere: Object = {"agents": {}, "namespaces": {}}  # only the operator's namespace may select namespaces
    kube.apply(manifests.policy("overreach", namespace, selector=everywhere, size={"maxOutputTokens": 4}))
    broken = kube.until_condition("agentpolicy", "overreach", namespace, "Accepted", "False", "Invalid")
    assert "namespaces" in condition(broken, "Accepted")["message"]
    kube.apply(manifests.agent("late", namespace, "route"))
    refused = kube.until_condition("aiagent", "late", namespace, "Ready", "False", "PolicyInvalid")
    assert "overreach" in condition(refused, "Ready")["message"]
    assert kube.find("deployment", "late", namespace) is None
    running = kube.until_condition("aiagent", "helper", namespace, "ResolvedRefs", "False", "PolicyInvalid")
    assert running["status"]["digests"] == before
    kube.delete("agentpolicy", "overreach", namespace)
    kube.until_ready("helper", namespace)
    kube.until_ready("late", namespace)


def test_deleting_an_agent_is_told_and_removes_every_child(regent: Installed, namespace: str, cloud: str) -> None:
    """Somebody's finalizer holds it for as long as the test looks at what is told meanwhile."""
    kube = regent.kube
    kube.apply(*parts(namespace, cloud).values())
    held = {"spec": {"scaling": {"replicas": 2}}, "metadata": {"finalizers": ["example.com/hold"]}}
    kube.patch("aiagent", "helper", namespace, held)
    kube.until_current("aiagent", "helper", namespace)
    used = (("agentpolicy", "house"), ("modelroute", "route"))
    for kind, name in used:
        assert kube.until_condition(kind, name, namespace, "Ready", "True", "Enforced")["status"]["agents"] == 1

    kube.delete("aiagent", "helper", namespace, wait_for_it=False)
    leaving = kube.until_condition("aiagent", "helper", namespace, "Ready", "False", "Terminating")
    assert condition(leaving, "Reconciling")["status"] == "True"
    assert kstatus(leaving) == ["Terminating"]
    assert len(kube.pods("helper", namespace)) == 2

    kube.patch("aiagent", "helper", namespace, {"metadata": {"finalizers": None}})
    for kind, name in used:
        unused = kube.until_condition(kind, name, namespace, "Ready", "True", "NoAgentsReferencing")
        assert unused["status"]["agents"] == 0
        assert kstatus(unused) == ["Current"]
    kinds = "serviceaccount,configmap,deployment,service,networkpolicy,poddisruptionbudget,pod"

    def gone() -> bool:
        left = json.loads(kube("get", kinds, "--namespace", namespace, "--output", "json"))["items"]
        return not [found for found in left if found["metadata"]["name"].startswith("helper")]

    kube.until("every child is gone", gone)


def test_an_agent_deleted_and_recreated_at_once_comes_up(regent: Installed, namespace: str, cloud: str) -> None:
    kube = regent.kube
    kube.apply(*parts(namespace, cloud).values())
    old = kube.until_ready("helper", namespace)["metadata"]["uid"]
    with recorded(kube, namespace) as history:
        kube.delete("aiagent", "helper", namespace, wait_for_it=False)
        kube.apply(parts(namespace, cloud)["agent"])
        found = kube.until_ready("helper", namespace)
    assert found["metadata"]["uid"] != old
    comes_up(history.about(found["metadata"]["uid"]))
    kinds = ("serviceaccount", "configmap", "deployment", "service", "networkpolicy")
    owners = [kube.get(kind, "helper", namespace)["metadata"]["ownerReferences"][0]["uid"] for kind in kinds]
    assert set(owners) == {found["metadata"]["uid"]}


def test_a_foreign_object_of_the_same_name_is_reported_and_not_taken_over(
    regent: Installed, namespace: str, cloud: str
) -> None:
    kube = regent.kube
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "helper", "namespace": namespace},
        "data": {"mine": "yes"},
    }
    kube.apply(foreign)
    kube.apply(*parts(namespace, cloud).values())
    found = kube.until_condition("aiagent", "helper", namespace, "Accepted", "False", "NameConflict")
    assert "ConfigMap" in condition(found, "Accepted")["message"]
    assert kstatus(found) == ["Failed"]
    assert kube.get("configmap", "helper", namespace)["data"] == {"mine": "yes"}
    assert kube.find("deployment", "helper", namespace) is None
    kube.delete("configmap", "helper", namespace)
    kube.until_ready("helper", namespace)


def test_a_missing_credential_is_named_and_its_arrival_noticed(regent: Installed, namespace: str, cloud: str) -> None:
    kube = regent.kube
    secret = {"name": "main", "secretKeyRef": {"name": "key", "key": "token"}}
    keyed = manifests.route("route", namespace, [manifests.provider("cloud", cloud, credentials=[secret])])
    kube.apply(keyed, manifests.agent("helper", namespace, "route"))
    found = kube.until_condition("aiagent", "helper", namespace, "ResolvedRefs", "False", "CredentialsMissing")
    assert "key" in condition(found, "ResolvedRefs")["message"]
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "key", "namespace": namespace},
            "stringData": {"token": "s3cret-value", "hosts": cloud},
        }
    )
    kube.until_ready("helper", namespace)
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")
    assert friend.ask(f"{namespace}/helper", stream=False).status == 200
    assert "s3cret-value" not in kube("get", "aiagent,configmap,event", "--namespace", namespace, "--output", "json")
    assert "s3cret-value" not in kube("logs", "deployment/helper", "--namespace", namespace)
