"""The chart's keys, as helm renders the chart where there is a cluster to ask."""

import base64
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.charts import CHART
from tests.cluster import command, tools
from tests.fakes.looked_up import Object, cluster

KEYS = {"regent-operator-signing": "signing.pem", "regent-collector-key": "ed25519.pem"}
"""Secret -> file."""
CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "aiagents.regent.dev"},
}


def secret(name: str, **data: str) -> Object:
    about = {"name": name, "namespace": "regent-system"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, "type": "Opaque", "data": data}


def dry_run(folder: Path, *objects: Object) -> str:
    """What helm prints, the hooks of the chart with a collector among it."""
    words = ("template", "regent", CHART, "--namespace", "regent-system", "--set", "collector.enabled=true")
    with cluster(folder, CRD, *objects) as kubeconfig:
        asking = ("--dry-run=server", "--disable-openapi-validation", "--kubeconfig", kubeconfig)
        return command.run(tools.helm(), *words, *asking)


def secrets(printed: str) -> list[Object]:
    return [each for each in yaml.safe_load_all(printed) if each and each["kind"] == "Secret"]


def test_the_first_install_makes_both_as_hooks_that_no_release_deletes(tmp_path: Path) -> None:
    made = {each["metadata"]["name"]: each for each in secrets(dry_run(tmp_path))}

    assert made.keys() == KEYS.keys()
    for name, file in KEYS.items():
        (key,) = made[name]["data"].items()
        assert key[0] == file
        assert isinstance(load_pem_private_key(base64.b64decode(key[1]), password=None), Ed25519PrivateKey)
        assert made[name]["metadata"]["annotations"] == {
            "helm.sh/hook": "pre-install,pre-upgrade",
            "helm.sh/hook-weight": "-5",
            "helm.sh/hook-delete-policy": "never",
            "helm.sh/resource-policy": "keep",
        }


def test_keys_that_are_there_are_neither_printed_nor_applied_again(tmp_path: Path) -> None:
    live = [secret(name, **{file: "a2V5", "next.pem": "bmV4dA=="}) for name, file in KEYS.items()]
    printed = dry_run(tmp_path, *live)

    assert "kind: Deployment" in printed
    assert secrets(printed) == []
    assert "a2V5" not in printed
    assert "bmV4dA==" not in printed


@pytest.mark.parametrize("name", KEYS)
def test_a_secret_without_a_key_gets_one(tmp_path: Path, name: str) -> None:
    empty = secret(name)
    del empty["data"]

    assert sorted(each["metadata"]["name"] for each in secrets(dry_run(tmp_path, empty))) == sorted(KEYS)
