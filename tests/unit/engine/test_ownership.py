import copy
from typing import Any

import pytest

from regent_operator.engine.ownership import fingerprint, owned_hash, sets_replicas, wanted_hash

Object = dict[str, Any]


def ours(fields: Object, time: str = "2026-01-01T00:00:00Z") -> Object:
    return {"manager": "regent", "operation": "Apply", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields}


def theirs(fields: Object, **more: str) -> Object:
    return {"manager": "kubectl", "operation": "Update", "fieldsV1": fields, **more}


WANTED: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a", "namespace": "n", "labels": {"x": "1"}},
    "spec": {"selector": {"app": "a"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]},
}
LIVE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "a",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "7",
        "labels": {"x": "1", "another": "hand"},
        "managedFields": [
            ours(
                {
                    "f:metadata": {"f:labels": {"f:x": {}}},
                    "f:spec": {
                        "f:selector": {},
                        "f:ports": {
                            'k:{"port":80,"protocol":"TCP"}': {
                                ".": {},
                                "f:port": {},
                                "f:protocol": {},
                                "f:targetPort": {},
                            }
                        },
                    },
                }
            )
        ],
    },
    "spec": {
        "clusterIP": "10.0.0.1",
        "selector": {"app": "a"},
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 0}],
    },
}


def test_what_we_own_of_a_live_object_equals_what_we_applied() -> None:
    assert owned_hash(LIVE) == wanted_hash(WANTED)


@pytest.mark.parametrize(
    "edit",
    [
        lambda live: live["spec"]["selector"].update(app="b"),
        lambda live: live["spec"]["ports"][0].update(targetPort=9),
        lambda live: live["metadata"]["labels"].update(x="2"),
        lambda live: live["spec"]["ports"].clear(),
        lambda live: live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].pop("f:selector"),
        lambda live: live["metadata"]["managedFields"].clear(),
    ],
)
def test_any_change_of_what_we_own_shows(edit: Any) -> None:
    live = copy.deepcopy(LIVE)
    edit(live)
    assert owned_hash(live) != wanted_hash(WANTED)


def test_what_others_add_beside_is_not_ours() -> None:
    live = copy.deepcopy(LIVE)
    live["spec"]["externalName"] = "x"
    live["spec"]["ports"].append({"port": 81, "protocol": "TCP"})
    assert owned_hash(live) == wanted_hash(WANTED)


def test_null_is_as_good_as_absent() -> None:
    assert wanted_hash({"metadata": {}, "spec": {"type": None}}) == wanted_hash({"metadata": {}, "spec": {}})


def test_quantities_are_compared_by_value() -> None:
    def deployment(cpu: str, memory: str) -> Object:
        return {"metadata": {}, "spec": {"resources": {"limits": {"cpu": cpu, "memory": memory}}}}

    assert wanted_hash(deployment("0.50", "1024Mi")) == wanted_hash(deployment("500m", "1Gi"))

    def autoscaler(average: str) -> Object:
        return {"metadata": {}, "spec": {"metrics": [{"pods": {"target": {"averageValue": average}}}]}}

    assert wanted_hash(deployment("0.50", "1024Mi")) != wanted_hash(deployment("500m", "1G"))
    assert wanted_hash(autoscaler("2000")) == wanted_hash(autoscaler("2k"))


def test_numbers_elsewhere_are_compared_as_they_stand() -> None:
    assert wanted_hash({"metadata": {"labels": {"v": "1.0"}}}) != wanted_hash({"metadata": {"labels": {"v": "1"}}})


def test_members_of_a_set_are_ours_one_by_one() -> None:
    live = {
        "metadata": {
            "finalizers": ["ours", "theirs"],
            "managedFields": [ours({"f:metadata": {"f:finalizers": {'v:"ours"': {}}}})],
        }
    }
    assert owned_hash(live) == wanted_hash({"metadata": {"finalizers": ["ours"]}})


@pytest.mark.parametrize(
    "fields",
    [
        {"f:spec": {"f:template": {"f:spec": {"f:hostNetwork": {}}}}},
        {"f:data": {"f:more": {}}},
        {"f:spec": {"f:replicas": {}, "f:paused": {}}},
        {"f:metadata": {"f:ownerReferences": {'k:{"uid":"x"}': {}}}},
        {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:x": {}}}}}, "f:secrets": {}},
    ],
)
def test_content_that_others_hold_is_an_intrusion(fields: Object) -> None:
    assert fingerprint({"managedFields": [ours({}), theirs(fields)]}).intrusion


@pytest.mark.parametrize(
    "entry",
    [
        theirs({"f:metadata": {"f:labels": {"f:team": {}}, "f:annotations": {}}}),
        theirs({"f:status": {"f:replicas": {}}}, subresource="status"),
        theirs({"f:spec": {"f:replicas": {}}}, subresource="scale"),
        theirs({"f:spec": {"f:replicas": {}}}),
        theirs({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:restartedAt": {}}}}}}),
        theirs({"f:metadata": {"f:finalizers": {'v:"foregroundDeletion"': {}}}}),
    ],
)
def test_what_is_anyones_is_no_intrusion(entry: Object) -> None:
    assert fingerprint({"managedFields": [ours({}), entry]}).intrusion == b""


def test_the_entry_changes_with_its_fields_and_with_its_time() -> None:
    base = fingerprint({"managedFields": [ours({"f:data": {}})]})
    assert fingerprint({"managedFields": [ours({"f:data": {}})]}) == base
    assert fingerprint({"managedFields": [ours({"f:spec": {}})]}) != base
    assert fingerprint({"managedFields": [ours({"f:data": {}}, time="2026-01-02T00:00:00Z")]}) != base
    assert fingerprint({}).entry is None


def test_who_holds_how_many_pods_there_are() -> None:
    held = {"f:spec": {"f:replicas": {}, "f:template": {}}}
    assert sets_replicas({"managedFields": [theirs({}), ours(held)]})
    assert not sets_replicas({"managedFields": [ours({"f:spec": {"f:template": {}}}), theirs(held)]})
    assert not sets_replicas({})
