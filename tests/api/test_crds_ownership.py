"""Who may write what: strict fields, several writers, and no difference where nobody changed anything."""

import json
from typing import Any

import pytest

from tests.api.kubectl import Kubectl, documents
from tests.api.manifests import AGENT, ALL, POLICY, ROUTE, changed

UNKNOWN = [
    pytest.param(AGENT, "spec.image", "example.com/agent:1", id="image-of-an-agent"),
    pytest.param(AGENT, "spec.workload.env", [{"name": "A", "value": "b"}], id="env-of-an-agent"),
    pytest.param(AGENT, "spec.modelRouteRef.namespace", "other", id="reference-to-another-namespace"),
    pytest.param(POLICY, "spec.size.maxOutputToken", 5, id="misspelt-limit"),
    pytest.param(POLICY, "spec.flow", {"ruleOfTwo": "Enforce"}, id="field-that-nothing-enforces-yet"),
    pytest.param(ROUTE, "spec.providers.1.credentials.0.value", "sk-secret", id="key-in-the-manifest"),
]


def server_side(manager: str) -> tuple[str, ...]:
    return ("--server-side", "--field-manager", manager)


@pytest.mark.parametrize(("manifest", "field", "value"), UNKNOWN)
def test_an_unknown_field_is_an_error(kubectl: Kubectl, manifest: dict[str, Any], field: str, value: Any) -> None:
    text = documents(changed(manifest, field, value))
    said = kubectl.refused("apply", "--filename", "-", text=text)
    assert f'strict decoding error: unknown field "{bracketed(field)}"' in said


@pytest.mark.parametrize(("manifest", "field", "value"), UNKNOWN)
def test_an_unknown_field_is_an_error_server_side(
    kubectl: Kubectl, manifest: dict[str, Any], field: str, value: Any
) -> None:
    text = documents(changed(manifest, field, value))
    said = kubectl.refused("apply", *server_side("gitops"), "--filename", "-", text=text)
    assert f".{field.rpartition('.')[2]}: field not declared in schema" in said


def test_an_unknown_field_is_an_error_for_a_writer_that_asks_for_no_validation(kubectl: Kubectl) -> None:
    text = documents(changed(POLICY, "spec.size.maxOutputToken", 5))
    said = kubectl.refused("apply", *server_side("gitops"), "--validate=ignore", "--filename", "-", text=text)
    assert ".spec.size.maxOutputToken: field not declared in schema" in said


def test_a_second_writer_cannot_reorder_the_rules(kubectl: Kubectl) -> None:
    kubectl.apply(ROUTE, flags=server_side("platform"))
    reordered = changed(ROUTE, "spec.rules", ROUTE["spec"]["rules"][::-1])
    said = kubectl.refused("apply", *server_side("intruder"), "--filename", "-", text=documents(reordered))
    assert 'conflict with "platform": .spec.rules' in said
    assert kubectl.get("mroute", "hybrid")["spec"]["rules"] == ROUTE["spec"]["rules"]


def test_a_second_writer_cannot_add_a_rule_of_its_own(kubectl: Kubectl) -> None:
    kubectl.apply(ROUTE, flags=server_side("platform"))
    mine = {"metadata": {"name": "hybrid"}, "spec": {"rules": [{"name": "mine", "providers": [{"name": "openai"}]}]}}
    partial = {"apiVersion": ROUTE["apiVersion"], "kind": "ModelRoute", **mine}
    said = kubectl.refused("apply", *server_side("intruder"), "--filename", "-", text=documents(partial))
    assert 'conflict with "platform": .spec.rules' in said


def test_a_second_writer_cannot_narrow_half_of_a_selector(kubectl: Kubectl) -> None:
    kubectl.apply(POLICY, flags=server_side("platform"))
    half = {"selector": {"agents": {"matchLabels": {"tier": "none"}}}}
    partial = {**POLICY, "spec": half}
    said = kubectl.refused("apply", *server_side("intruder"), "--filename", "-", text=documents(partial))
    assert 'conflict with "platform": .spec.selector.agents' in said


def test_two_writers_each_name_a_policy_of_their_own(kubectl: Kubectl) -> None:
    kubectl.apply(changed(AGENT, "spec.policyRefs", [{"name": "internal"}]), flags=server_side("developer"))
    second = {"apiVersion": AGENT["apiVersion"], "kind": "AIAgent", "metadata": {"name": "helper"}}
    added = {**second, "spec": {"policyRefs": [{"name": "audited"}]}}
    kubectl.apply(added, flags=server_side("platform"))
    assert kubectl.get("aia", "helper")["spec"]["policyRefs"] == [{"name": "internal"}, {"name": "audited"}]


@pytest.mark.parametrize("flags", [(), ("--server-side",)], ids=["client-side", "server-side"])
@pytest.mark.parametrize("manifest", ALL, ids=lambda manifest: manifest["kind"])
def test_what_was_applied_has_no_difference(kubectl: Kubectl, manifest: dict[str, Any], flags: tuple[str, ...]) -> None:
    text = documents(manifest)
    kubectl("apply", *flags, "--filename", "-", text=text)
    assert kubectl("diff", *flags, "--filename", "-", text=text) == ""
    name, status = manifest["metadata"]["name"], {"status": {"observedGeneration": 1}}
    patch = ("--subresource", "status", "--type", "merge", "--patch", json.dumps(status))
    kubectl("patch", manifest["kind"], name, *patch)
    assert kubectl("diff", *flags, "--filename", "-", text=text) == "", "the operator's status is no difference"


def test_a_difference_is_seen(kubectl: Kubectl) -> None:
    kubectl.apply(AGENT)
    said = kubectl.differs(documents(changed(AGENT, "spec.scaling.replicas", 3)))
    assert "+    replicas: 3" in said


def bracketed(field: str) -> str:
    """`spec.rules.0.name` as the strict decoder writes it."""
    steps = field.split(".")
    return "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps).removeprefix(".")
