"""The contract as the API server and kubectl show it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from regent_api import GROUP, VERSION
from regent_api.crd import PENDING, root_schema
from regent_api.kinds import KINDS, Kind
from regent_api.reference import rows
from tests.api.conftest import ROOT
from tests.api.kubectl import Kubectl
from tests.api.manifests import AGENT, ALL, POLICY, ROUTE

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@every_kind
def test_the_server_takes_the_crd_as_it_is(kubectl: Kubectl, kind: Kind) -> None:
    found = kubectl.get("crd", kind.crd_name)
    conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}  # no NonStructuralSchema
    assert found["status"]["acceptedNames"]["shortNames"] == [kind.short_name]


def test_an_installed_crd_has_no_difference_to_the_file(kubectl: Kubectl) -> None:
    assert kubectl("diff", "--server-side", "--filename", str(ROOT / "crds")) == ""


def paths() -> Iterator[str]:
    """Every field of every kind, as `kubectl explain` wants it."""
    for kind in KINDS:
        schema = root_schema(kind)["properties"]
        for part in ("spec", "status"):
            yield from (f"{kind.plural}.{row.path.replace('[]', '')}" for row in rows(schema[part], part))


@every_kind
def test_explain_lists_every_field(kubectl: Kubectl, kind: Kind) -> None:
    listed = {line.split()[0] for line in kubectl("explain", kind.name, "--recursive").splitlines() if "\t<" in line}
    assert {path.rpartition(".")[2] for path in paths() if path.startswith(kind.plural)} <= listed


def test_explain_describes_every_field(kubectl: Kubectl) -> None:
    """From the document that `kubectl explain` reads; a call of it for each field would take a minute of CPU."""
    document = json.loads(kubectl("get", "--raw", f"/openapi/v3/apis/{GROUP}/{VERSION}"))
    served = {schema.rpartition(".")[2]: found for schema, found in document["components"]["schemas"].items()}
    everything = {path: _served_at(path, served) for path in paths()}
    assert len(everything) > 100
    assert [path for path, field in everything.items() if not field.get("description")] == []
    for kind in KINDS:
        deepest = max((path for path in everything if path.startswith(f"{kind.plural}.")), key=lambda p: p.count("."))
        said = " ".join(kubectl("explain", deepest).partition("DESCRIPTION:")[2].split())
        assert said.startswith(" ".join(everything[deepest]["description"].split()))


def _served_at(path: str, served: Mapping[str, Any]) -> Mapping[str, Any]:
    plural, *names = path.split(".")
    field = served[next(kind.name for kind in KINDS if kind.plural == plural)]
    for name in names:
        field = field.get("items", field)["properties"][name]
    return dict(field)


def test_short_names_and_the_category_lead_to_the_objects(kubectl: Kubectl) -> None:
    kubectl.apply(*ALL)
    for kind, manifest in zip(KINDS, ALL, strict=True):
        assert f"/{manifest['metadata']['name']}" in kubectl("get", kind.short_name, "--output", "name")
    found = kubectl("get", "regent", "--output", "name").split()
    assert sorted(found) == [
        "agentpolicy.regent.dev/internal",
        "aiagent.regent.dev/helper",
        "modelroute.regent.dev/hybrid",
    ]


@pytest.mark.parametrize("manifest", ALL, ids=lambda manifest: manifest["kind"])
def test_nothing_looks_healthy_before_the_operator_has_seen_it(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    answered = json.loads(kubectl("create", "--filename", "-", "--output", "json", text=json.dumps(manifest)))
    assert answered["status"] == {"conditions": [PENDING]}
    assert kubectl.get(manifest["kind"], manifest["metadata"]["name"])["status"] == {"conditions": [PENDING]}


def test_a_user_cannot_write_a_status(kubectl: Kubectl) -> None:
    kubectl.apply({**AGENT, "status": {"replicas": 7}})
    assert kubectl.get("aia", "helper")["status"] == {"conditions": [PENDING]}


READY = {**PENDING, "status": "True", "reason": "Ready", "message": "Serving. Nothing to do."}


@pytest.mark.parametrize(
    ("manifest", "status", "header", "row"),
    [
        (
            AGENT,
            {"policyCount": 2, "replicas": 3, "conversations": 5, "endpoint": "http://helper.acme.svc:8080"},
            "NAME READY REASON ROUTE POLICIES REPLICAS CONVERSATIONS ENDPOINT AGE",
            "helper True Ready hybrid 2 3 5 http://helper.acme.svc:8080",
        ),
        (
            POLICY,
            {"agents": 12, "enforced": "36/36"},
            "NAME READY REASON MODE AGENTS ENFORCED AGE",
            "internal True Ready 12 36/36",
        ),
        (
            ROUTE,
            {"providerCount": 2, "ruleCount": 4, "agents": 1, "enforced": "1/1"},
            "NAME READY REASON PROVIDERS RULES AGENTS ENFORCED AGE",
            "hybrid True Ready 2 4 1 1/1",
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) and "kind" in value else "",
)
def test_columns(kubectl: Kubectl, manifest: dict[str, Any], status: dict[str, Any], header: str, row: str) -> None:
    kubectl.apply(manifest)
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    patch = json.dumps({"status": {"conditions": [READY], **status}})
    kubectl("patch", kind, name, "--subresource", "status", "--type", "merge", "--patch", patch)
    shown = [line.split() for line in kubectl("get", kind).splitlines()]
    assert shown[0] == header.split()
    assert shown[1][:-1] == row.split()
