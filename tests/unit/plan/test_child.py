from regent_operator.plan import configmap, disruptionbudget, service, serviceaccount
from regent_operator.plan.child import child, endpoint
from tests.unit.plan.samples import agent

METADATA = {
    "name": "helper",
    "namespace": "acme",
    "labels": {
        "app.kubernetes.io/name": "regent-agent",
        "app.kubernetes.io/instance": "helper",
        "app.kubernetes.io/managed-by": "regent",
        "regent.dev/agent": "helper",
    },
    "ownerReferences": [
        {
            "apiVersion": "regent.dev/v1alpha1",
            "kind": "AIAgent",
            "name": "helper",
            "uid": "agent-uid",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ],
}


def test_a_child_bears_the_agents_name_and_is_controlled_by_it() -> None:
    made = child(agent(), "v1", "ConfigMap", data={})
    assert made == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": METADATA, "data": {}}


def test_the_endpoint_is_the_services() -> None:
    assert endpoint(agent()) == "http://helper.acme.svc:8080"


def test_the_service_account_mounts_no_token() -> None:
    assert serviceaccount.build(agent()) == {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": METADATA,
        "automountServiceAccountToken": False,
    }


def test_the_config_map_holds_the_document_and_its_seal_under_their_keys() -> None:
    assert configmap.build(agent(), "{}", "a seal") == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": METADATA,
        "data": {"agent.json": "{}", "agent.seal.json": "a seal"},
    }


def test_the_service_leads_to_the_agents_port() -> None:
    assert service.build(agent()) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": METADATA,
        "spec": {
            "type": "ClusterIP",
            "selector": {"regent.dev/agent": "helper"},
            "ports": [{"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"}],
        },
    }


def test_a_single_pod_has_no_disruption_budget() -> None:
    assert disruptionbudget.build(agent()) is None


def test_node_drains_take_one_of_several_pods_at_a_time() -> None:
    assert disruptionbudget.build(agent(scaling={"replicas": 2})) == {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": METADATA,
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {"regent.dev/agent": "helper"}},
        },
    }
