"""Each folder of examples/ is a complete case: it parses, it is valid, and what it names is in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from regent_api.agent import AIAgentSpec
from regent_api.model import Model
from regent_api.policy import AgentPolicySpec
from regent_api.route import ModelRouteSpec, ProviderType
from regent_api.types import host_matches

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = sorted(folder for folder in (ROOT / "examples").iterdir() if folder.is_dir())
FOLDER = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
SPECS: dict[str, type[Model]] = {"AIAgent": AIAgentSpec, "AgentPolicy": AgentPolicySpec, "ModelRoute": ModelRouteSpec}
Object = dict[str, Any]


def objects(folder: Path) -> list[Object]:
    return [o for file in sorted(folder.glob("*.yaml")) for o in yaml.safe_load_all(file.read_text()) if o]


def of_kind(folder: Path, kind: str) -> Iterator[tuple[str, str, Any]]:
    """(namespace, name, spec as our models read it)."""
    for o in objects(folder):
        if o["kind"] == kind:
            yield o["metadata"]["namespace"], o["metadata"]["name"], SPECS[kind].model_validate(o["spec"])


def keys(folder: Path, kind: str) -> set[tuple[str, str]]:
    return {(o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects(folder) if o["kind"] == kind}


def test_the_examples_of_the_readme_are_there() -> None:
    assert {"quickstart", "hybrid", "classes"} <= {folder.name for folder in FOLDERS}


@FOLDER
@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_kubernetes_objects_are_strictly_valid(folder: Path, version: str) -> None:
    builtin = [o for o in objects(folder) if not o["apiVersion"].startswith("regent.dev/")]

    assert builtin
    for document in builtin:
        kubernetes_validate.validate(document, version, strict=True)


@FOLDER
def test_every_object_stands_in_a_namespace_of_the_example_that_restricts_its_pods(folder: Path) -> None:
    namespaces = {o["metadata"]["name"]: o["metadata"]["labels"] for o in objects(folder) if o["kind"] == "Namespace"}

    assert {o["metadata"]["namespace"] for o in objects(folder) if o["kind"] != "Namespace"} == set(namespaces)
    assert {labels["pod-security.kubernetes.io/enforce"] for labels in namespaces.values()} == {"restricted"}


@FOLDER
def test_what_an_agent_names_is_in_the_example(folder: Path) -> None:
    agents = list(of_kind(folder, "AIAgent"))

    assert agents
    for namespace, _, agent in agents:
        assert (namespace, agent.model_route_ref.name) in keys(folder, "ModelRoute")
        assert {(namespace, ref.name) for ref in agent.policy_refs or []} <= keys(folder, "AgentPolicy")


@FOLDER
def test_routes_lead_to_services_of_the_example_and_local_ones_are_called_local(folder: Path) -> None:
    policies = [spec for _, _, spec in of_kind(folder, "AgentPolicy")]
    for _, _, route in of_kind(folder, "ModelRoute"):
        for provider in route.providers:
            host = urlsplit(provider.base_url).hostname or ""
            name, namespace, _ = host.split(".")
            assert (namespace, name) in keys(folder, "Service")
            if provider.type is ProviderType.LOCAL:
                assert all(any(host_matches(p, host) for p in policy.models.local_hosts) for policy in policies)


@FOLDER
def test_credentials_are_in_the_example_and_may_go_where_the_route_leads(folder: Path) -> None:
    secrets = {
        (o["metadata"]["namespace"], o["metadata"]["name"]): o["stringData"]
        for o in objects(folder)
        if o["kind"] == "Secret"
    }
    for namespace, _, route in of_kind(folder, "ModelRoute"):
        for provider in route.providers:
            for credential in provider.credentials or []:
                secret = secrets[namespace, credential.secret_key_ref.name]
                assert credential.secret_key_ref.key in secret
                assert secret["hosts"].split() == [urlsplit(provider.base_url).hostname]


@FOLDER
def test_callers_that_policies_let_in_are_in_the_example(folder: Path) -> None:
    for namespace, _, policy in of_kind(folder, "AgentPolicy"):
        for grant in policy.callers.service_accounts:
            assert (grant.namespace or namespace, grant.name) in keys(folder, "ServiceAccount")


@FOLDER
def test_a_readme_says_what_it_shows(folder: Path) -> None:
    text = (folder / "README.md").read_text()

    assert f"kubectl apply -f examples/{folder.name}" in text
    assert text.startswith("# ")
