"""The life of a release on a real API server: install, upgrade, uninstall, install again."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from regent_operator.signing import Signer
from tests.api.chart.releases import CRDS, ROOT, Object, Releases, agent, refused
from tests.api.running_operator import eventually
from tests.charts import newer
from tests.cluster import command

SIGNING = "regent-operator-signing"
SHARED_ROLES = ("regent-view", "regent-edit", "regent-admin")


def test_one_command_brings_a_cluster_that_never_saw_regent_all_it_needs(releases: Releases) -> None:
    releases.forget_crds()
    namespace = releases.namespace()

    said = releases.install("regent", namespace)

    assert "runs the agents of every namespace" in said
    assert all(releases.get("crd", name) for name in CRDS)
    assert all(releases.get("clusterrole", name) for name in SHARED_ROLES)
    assert releases.get("deployment", "regent-operator", namespace)
    floor = releases.get("agentpolicy", "floor", namespace)
    assert floor
    assert floor["spec"]["callers"] == {
        "serviceAccounts": [{"name": "*"}],
        "anonymous": "Deny",
        "mayInstruct": "Deny",
    }


def test_uninstall_leaves_what_belongs_to_the_cluster_and_another_release_takes_it_over(releases: Releases) -> None:
    namespace = releases.namespace()
    releases.install("first", namespace)
    releases.apply(agent(namespace))
    before = releases.get("aiagent", "helper", namespace)

    releases.uninstall("first", namespace)

    assert releases.get("deployment", "regent-operator", namespace) is None
    assert all(releases.get("crd", name) for name in CRDS)
    assert all(releases.get("clusterrole", name) for name in SHARED_ROLES)
    assert releases.get("agentpolicy", "floor", namespace)

    releases.install("second", namespace, {"floorPolicy.spec.data": {"minSensitivity": "Internal"}})

    assert releases.get("aiagent", "helper", namespace) == before
    floor = releases.get("agentpolicy", "floor", namespace)
    assert floor
    assert floor["spec"]["data"] == {"minSensitivity": "Internal"}


def test_the_signing_key_is_made_once_and_outlives_upgrades_and_releases(releases: Releases, tmp_path: Path) -> None:
    namespace = releases.namespace()
    releases.install("first", namespace)
    (signing,) = keys(releases, namespace).values()
    (tmp_path / "signing.pem").write_bytes(base64.b64decode(signing))
    assert len(Signer.read(tmp_path).public) == 1
    releases.upgrade("first", namespace)
    assert keys(releases, namespace) == {"signing.pem": signing}
    patch = json.dumps({"data": {"next.pem": signing}})
    releases.cluster.kubectl("patch", "secret", SIGNING, "-n", namespace, "--type=merge", "-p", patch)
    releases.upgrade("first", namespace)
    releases.uninstall("first", namespace)
    releases.install("second", namespace)
    assert keys(releases, namespace) == {"signing.pem": signing, "next.pem": signing}, "what a hand added stays"


def test_no_key_is_made_where_one_of_the_users_is_named(releases: Releases) -> None:
    namespace = releases.namespace()
    releases.install("regent", namespace, {"signing.existingSecret": "house-keys"})
    assert releases.get("secret", SIGNING, namespace) is None


def keys(releases: Releases, namespace: str) -> dict[str, str]:
    secret = releases.get("secret", SIGNING, namespace)
    assert secret
    return dict(secret["data"])


def test_another_release_in_another_namespace_takes_over_too(releases: Releases) -> None:
    first, second = releases.namespace(), releases.namespace()
    releases.install("first", first)
    releases.uninstall("first", first)

    releases.install("second", second)

    assert releases.get("deployment", "regent-operator", second)


def test_an_upgrade_brings_new_crds_and_a_floor_that_uses_them(releases: Releases, tmp_path: Path) -> None:
    releases.forget_crds()
    namespace = releases.namespace()
    releases.install("regent", namespace)
    releases.apply(agent(namespace))
    before = releases.get("aiagent", "helper", namespace)

    releases.upgrade("regent", namespace, {"floorPolicy.spec.newGrant": "x"}, chart=newer(tmp_path))

    floor = releases.get("agentpolicy", "floor", namespace)
    assert floor
    assert floor["spec"]["newGrant"] == "x"
    assert releases.get("aiagent", "helper", namespace) == before
    eventually("the API server's documentation has it", lambda: explained(releases, "agentpolicy.spec.newGrant"))


def explained(releases: Releases, path: str) -> bool:
    """The API server publishes a changed schema a moment after it takes it."""
    try:
        return "Entered later." in releases.cluster.kubectl("explain", path)
    except command.CommandError:
        return False


def test_a_release_of_another_name_brings_new_crds_as_well(releases: Releases, tmp_path: Path) -> None:
    releases.forget_crds()
    namespace = releases.namespace()
    releases.install("first", namespace)
    releases.uninstall("first", namespace)

    releases.install("second", namespace, {"floorPolicy.spec.newGrant": "x"}, chart=newer(tmp_path))

    floor = releases.get("agentpolicy", "floor", namespace)
    assert floor
    assert floor["spec"]["newGrant"] == "x"


def test_an_upgrade_with_nothing_new_changes_nothing(releases: Releases) -> None:
    namespace = releases.namespace()
    releases.install("regent", namespace)
    before = content(releases, namespace)

    releases.upgrade("regent", namespace)

    assert content(releases, namespace) == before


def test_a_rollback_brings_floor_and_roles_back_and_leaves_crds_and_keys(releases: Releases, tmp_path: Path) -> None:
    releases.forget_crds()
    namespace = releases.namespace()
    releases.install("regent", namespace)
    before = shared(releases, namespace)
    chart = newer(tmp_path)
    roles = chart / "templates" / "aggregatedroles.yaml"
    roles.write_text(roles.read_text().replace('"edit" "resources" (list "aiagents")', '"edit" "resources" (list "x")'))
    loose = {"floorPolicy.spec.callers.anonymous": "Allow", "floorPolicy.spec.newGrant": "x"}
    releases.upgrade("regent", namespace, loose, chart=chart)
    floor, edit = shared(releases, namespace)
    assert floor["callers"]["anonymous"] == "Allow"
    assert edit[0]["resources"] == ["x"]
    add = json.dumps({"data": {"next.pem": keys(releases, namespace)["signing.pem"]}})
    releases.cluster.kubectl("patch", "secret", SIGNING, "-n", namespace, "--type=merge", "-p", add)
    added = keys(releases, namespace)

    releases.rollback("regent", namespace, 1)

    assert shared(releases, namespace) == before
    assert keys(releases, namespace) == added
    crd = json.dumps(releases.get("crd", CRDS[0]))
    assert "newGrant" in crd, "what objects hold already would be lost"


def shared(releases: Releases, namespace: str) -> tuple[Any, Any]:
    """The floor's spec, and the rules of a role."""
    floor, role = releases.get("agentpolicy", "floor", namespace), releases.get("clusterrole", "regent-edit")
    assert floor
    assert role
    return floor["spec"], role["rules"]


def test_a_rollback_overwrites_no_edit_of_the_floor_in_silence(releases: Releases) -> None:
    namespace = releases.namespace()
    releases.install("regent", namespace)
    releases.upgrade("regent", namespace)
    strict = '{"spec":{"callers":{"serviceAccounts":[{"name":"only"}]}}}'
    releases.cluster.kubectl("patch", "agentpolicy", "floor", "-n", namespace, "--type=merge", "-p", strict)

    with pytest.raises(command.CommandError) as caught:
        releases.rollback("regent", namespace, 1)

    assert 'conflict with "kubectl-patch"' in refused(caught.value)
    floor, _ = shared(releases, namespace)
    assert floor["callers"]["serviceAccounts"] == [{"name": "only"}]


def content(releases: Releases, namespace: str) -> list[Object]:
    """Of one object of each sort, without resourceVersion: the API server stores the default status at a later write."""
    found = [
        releases.get("crd", CRDS[0]),
        releases.get("agentpolicy", "floor", namespace),
        releases.get("clusterrole", "regent-edit"),
        releases.get("deployment", "regent-operator", namespace),
    ]
    return [o | {"metadata": o["metadata"] | {"resourceVersion": ""}} for o in found if o]


def test_a_floor_that_was_edited_by_hand_is_not_overwritten_in_silence(releases: Releases) -> None:
    namespace = releases.namespace()
    releases.install("regent", namespace)
    loose = '{"spec":{"callers":{"anonymous":"Allow"}}}'
    releases.cluster.kubectl("patch", "agentpolicy", "floor", "-n", namespace, "--type=merge", "-p", loose)

    with pytest.raises(command.CommandError) as caught:
        releases.upgrade("regent", namespace)

    assert 'conflict with "kubectl-patch"' in refused(caught.value)
    assert ".spec.callers.anonymous" in refused(caught.value)
    releases.upgrade("regent", namespace, {"floorPolicy.spec.callers.anonymous": "Allow"})


def test_equal_crds_of_kubectl_are_no_trouble(releases: Releases) -> None:
    releases.forget_crds()
    releases.cluster.kubectl("apply", "--filename", ROOT / "crds")

    releases.install("regent", releases.namespace())


def test_different_crds_of_kubectl_are_refused_and_the_ways_out_of_the_readme_work(
    releases: Releases, tmp_path: Path
) -> None:
    chart = newer(tmp_path)
    releases.forget_crds()
    releases.cluster.kubectl("apply", "--filename", ROOT / "crds")
    namespace = releases.namespace()

    with pytest.raises(command.CommandError) as caught:
        releases.install("regent", namespace, chart=chart)
    assert 'conflict with "kubectl-client-side-apply"' in refused(caught.value)

    releases.install("regent", namespace, {"crds.install": False}, "--skip-crds", chart=chart)
    releases.uninstall("regent", namespace)

    handed_over = ("--server-side", "--force-conflicts", "--field-manager=helm")
    releases.cluster.kubectl("apply", *handed_over, "--filename", chart / "crds")
    releases.install("regent", namespace, {"floorPolicy.spec.newGrant": "x"}, chart=chart)
