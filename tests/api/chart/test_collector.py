"""The collector of a release on a real API server: what it may do, and the key that outlives upgrades."""

import base64
import json

from tests.api.chart.releases import Object, Releases
from tests.api.chart.test_rbac import anybody, await_granted, may
from tests.unit.chart import rbac
from tests.unit.chart.test_rbac import AGENTS, CLUSTER, OWN

ENABLED: Object = {"collector": {"enabled": True}}
NAME = "regent-collector"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")


def key(releases: Releases, home: str) -> str:
    secret = releases.get("secret", f"{NAME}-key", home)
    assert secret is not None
    return str(secret["data"]["ed25519.pem"])


def test_it_may_exactly_what_the_page_says(releases: Releases) -> None:
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home, ENABLED)
    said = rbac.documented("## The collector")

    for namespace in (home, acme):
        await_granted(releases, f"{home}:{NAME}", namespace, anybody(releases, acme) | said)
    account = f"system:serviceaccount:{home}:{NAME}"
    for what in ("secrets", "configmaps", "pods", "tokenreviews.authentication.k8s.io"):
        assert not [verb for verb in VERBS if may(releases, account, verb, what, "--namespace", home)], what


def test_the_operator_may_no_more_beside_it(releases: Releases) -> None:
    home = releases.namespace()
    releases.install("regent", home, ENABLED)

    alone = anybody(releases, home) | AGENTS | CLUSTER | OWN
    await_granted(releases, f"{home}:regent-operator", home, alone)


def test_the_signing_key_is_made_once_and_outlives_upgrade_and_uninstall(releases: Releases) -> None:
    home = releases.namespace()
    releases.install("regent", home, ENABLED)
    made = key(releases, home)
    assert b"PRIVATE KEY" in base64.b64decode(made)

    releases.upgrade("regent", home, ENABLED | {"monitoring": {"namespaces": ["monitoring"]}})
    assert key(releases, home) == made

    releases.uninstall("regent", home)
    assert key(releases, home) == made
    releases.install("regent", home, ENABLED)
    assert key(releases, home) == made


def test_a_key_that_a_hand_has_changed_outlives_upgrade_rollback_and_a_release_of_another_name(
    releases: Releases,
) -> None:
    home = releases.namespace()
    releases.install("regent", home, ENABLED)
    changed = base64.b64encode(b"another").decode()
    patch = json.dumps({"data": {"ed25519.pem": changed}})
    releases.cluster.kubectl("patch", "secret", f"{NAME}-key", "-n", home, "--type=merge", "-p", patch)

    releases.upgrade("regent", home, ENABLED)
    releases.rollback("regent", home, 1)
    assert key(releases, home) == changed
    releases.uninstall("regent", home)
    releases.install("another", home, ENABLED)
    assert key(releases, home) == changed


def test_disabled_again_it_goes_and_its_key_and_volume_stay(releases: Releases) -> None:
    home = releases.namespace()
    releases.install("regent", home, ENABLED)
    made = key(releases, home)

    releases.upgrade("regent", home, {"collector": {"enabled": False}})
    assert releases.get("statefulset", NAME, home) is None
    assert releases.get("serviceaccount", NAME, home) is None
    assert key(releases, home) == made
