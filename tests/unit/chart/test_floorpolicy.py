from pathlib import Path

import yaml

import regent_operator.cli
from regent_api.model import MeetKind
from regent_api.policy import AgentPolicySpec
from regent_operator.plan.lattice import fields, opinions_of
from tests.unit.chart.helm import ROOT, Object, one, render


def floor(values: Object | None = None) -> Object:
    return one(render(values), "AgentPolicy")


UNSTATED = {
    "callers.oidc": "nobody comes in by an issuer until a policy names one; state one here and others only cut",
    "callers.apiKeys": "a floor cannot state it: keys are Secrets of the agents' namespace",
    "callers.ingressFrom": "opens connections, not calls: the process asks for the same tokens",
    "models.allow": "an opinion only cuts the route's own list",
    "egress.hosts": "an opinion only cuts the route's own list",
    "guardrails.output.links.allow": "an opinion only cuts: without one links may lead anywhere",
    "guardrails.input.images": "nobody sends any until a policy lets them and a route names a model that sees",
    "cache.semantic": "no answer is given to another question until a policy lets it, and lets answers be kept at all",
    "data.personalData.readers": "nobody reads restored data until a policy names a group of the namespace's own",
    "approvals.approvers": "nobody approves until a policy names an approver of the namespace's own",
    "egress.cidrs": "agents of every cluster would need its list of public ranges; told by an Event when widened",
}
"""Grants on which a namespace may have the first opinion, and why; docs/security.md names each."""


def test_every_grant_is_stated_or_left_to_namespaces_on_purpose() -> None:
    stated = opinions_of(AgentPolicySpec.model_validate(floor()["spec"]), "floor").keys()
    grants = {field.path for field in fields() if field.kind is MeetKind.GRANT}

    assert stated <= grants
    assert UNSTATED.keys() == grants - stated
    page = (ROOT / "docs" / "security.md").read_text()
    section = page.partition("## What the floor holds")[2].partition("\n## ")[0]
    assert all(f"`{path}`" in section for path in grants)


def test_the_default_floor_applies_to_every_agent() -> None:
    assert floor()["spec"] == {
        "selector": {},
        "callers": {"serviceAccounts": [{"name": "*"}], "anonymous": "Deny", "mayInstruct": "Deny"},
        "models": {"localHosts": ["*.svc", "*.svc.cluster.local"]},
    }
    assert AgentPolicySpec.model_validate(floor()["spec"])


def test_regent_dev_plans_under_the_same_floor() -> None:
    source = Path(regent_operator.cli.__file__).with_name("floor.yaml")

    assert yaml.safe_load(source.read_text())["spec"] == floor()["spec"]


def test_values_change_the_floor_key_by_key() -> None:
    callers = {"serviceAccounts": [{"namespace": "*", "name": "*"}]}
    changed = floor({"floorPolicy": {"spec": {"callers": callers, "data": {"minSensitivity": "Internal"}}}})

    assert changed["spec"] == floor()["spec"] | {
        "callers": floor()["spec"]["callers"] | callers,
        "data": {"minSensitivity": "Internal"},
    }


def test_without_a_cluster_to_ask_it_is_a_plain_object_that_is_kept() -> None:
    assert floor()["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-wave": "-5",
        "helm.sh/resource-policy": "keep",
    }
