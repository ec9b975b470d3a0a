"""The tables of the design: what happens when an input is missing or invalid, and which edits are hot."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from regent_api.agent import PolicyUse
from regent_api.config import AgentConfig
from regent_api.objects import AgentPolicy, Invalid, Metadata
from regent_api.status import ConditionType, Reason
from regent_api.types import Opinion, Sensitivity
from regent_operator.plan import agent as planning
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.children import children
from regent_operator.plan.inputs import AgentInputs, Installation
from regent_operator.plan.observation import Observation
from tests.unit.plan.samples import (
    CLOUD,
    FLOOR_NAMESPACE,
    INSTALLATION,
    LOCAL_HOSTS,
    ONPREM,
    SERVICES,
    agent,
    for_all,
    inputs,
    policy,
    route,
)

BASE = for_all("base", **LOCAL_HOSTS)
NAMING = agent(policyRefs=[{"name": "internal"}])
INTERNAL = policy("internal", size={"maxOutputTokens": 100})
UNREADABLE = Invalid(Metadata(FLOOR_NAMESPACE, "floor"), "spec.size.maxInputTokens: too small")
WRONG_SELECTOR = policy("wrong", selector={"namespaces": {"matchLabels": {"env": "prod"}}})
NOTHING_ALLOWED = for_all("closed", models={"localHosts": ["*.svc"], "allow": [{"host": "other.test"}]})
UNREADABLE_ROUTE = Invalid(Metadata("acme", "hybrid"), "spec.providers: missing")
WRONG_ROUTE = route(rules=[{"name": "all", "providers": [{"name": "nobody"}]}])

MISSING_OR_INVALID: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.POLICY_MISSING, {"agent": NAMING}),
    (Reason.POLICY_INVALID, {"policies": (BASE, UNREADABLE)}),
    (Reason.POLICY_INVALID, {"policies": (BASE, WRONG_SELECTOR)}),
    (Reason.ROUTE_MISSING, {"route": None}),
    (Reason.ROUTE_INVALID, {"route": UNREADABLE_ROUTE}),
    (Reason.ROUTE_INVALID, {"route": WRONG_ROUTE}),
    (Reason.NO_PROVIDER_ALLOWED, {"policies": (BASE, NOTHING_ALLOWED)}),
    (Reason.INSTRUCTIONS_MISSING, {"instructions": None}),
    (Reason.INSTRUCTIONS_MISSING, {"instructions": ""}),
]


def planned(**changes: Any) -> AgentPlan:
    return plan_agent(inputs(**changes), INSTALLATION)


def running(**changes: Any) -> AgentConfig:
    """What an agent was given before the edit under test."""
    made = planned(**changes)
    assert made.problems == ()
    assert made.config is not None
    return made.config


def test_an_agent_whose_references_are_there_is_planned() -> None:
    made = planned()
    assert (made.problems, made.excluded, made.unreachable) == ((), (), ())
    assert made.config is not None
    assert made.config_text is not None
    assert AgentConfig.model_validate_json(made.config_text) == made.config
    assert made.digests == made.config.digests()
    assert made.policy_keys == {"acme/base"}
    assert [use.name for use in made.uses] == ["base"]
    assert made.route_digest is not None


def test_equal_inputs_give_an_equal_plan() -> None:
    assert planned() == planned()


@pytest.mark.parametrize(("reason", "changes"), MISSING_OR_INVALID)
def test_a_new_agent_with_something_missing_or_invalid_gets_no_child(reason: Reason, changes: dict[str, Any]) -> None:
    made = planned(**changes)
    assert made.problems[0].reason is reason
    assert made.problems[0].type is ConditionType.RESOLVED_REFS
    assert made.problems[0].message.endswith(".")
    assert made.config is None
    assert children(made, Observation(), None).apply == ()


@pytest.mark.parametrize(
    ("reason", "changes"), [row for row in MISSING_OR_INVALID if row[0] is not Reason.NO_PROVIDER_ALLOWED]
)
def test_a_running_agent_keeps_its_config(reason: Reason, changes: dict[str, Any]) -> None:
    last = running()
    made = planned(last=last, **changes)
    assert made.problems[0].reason is reason
    assert made.config == last
    assert made.route_digest is None


def test_a_route_edit_that_leaves_nothing_keeps_the_last_route() -> None:
    local_only = for_all("closed", models={"localHosts": ["*.svc"], "allow": [{"host": "*.svc"}]})
    last = running(policies=(local_only,))
    outside = route(providers=[CLOUD], rules=[{"name": "all", "providers": [{"name": "cloud"}]}])
    made = planned(policies=(local_only,), route=outside, last=last)
    assert made.problems[0].reason is Reason.NO_PROVIDER_ALLOWED
    assert "cloud: models.allow does not let gpt-5 at api.openai.com" in made.problems[0].message
    assert made.config == last


def test_a_policy_edit_that_leaves_nothing_is_in_force_all_the_same() -> None:
    made = planned(policies=(BASE, NOTHING_ALLOWED), last=running())
    assert made.problems[0].reason is Reason.NO_PROVIDER_ALLOWED
    assert made.config is not None
    assert made.config.route.providers == []
    assert [rule.providers for rule in made.config.route.rules] == [[], []]


def test_other_policies_still_tighten_an_agent_whose_policy_is_missing() -> None:
    last = running(agent=NAMING, policies=(BASE, INTERNAL))
    stricter = for_all("stricter", size={"maxOutputTokens": 10}, egress={"hosts": ["*.svc"]}, **LOCAL_HOSTS)
    made = planned(agent=NAMING, policies=(BASE, stricter), last=last)
    assert made.problems[0].reason is Reason.POLICY_MISSING
    assert made.config is not None
    assert made.config.policy.size.max_output_tokens == 10
    assert [provider.name for provider in made.config.route.providers] == ["onprem"]


def test_a_missing_policy_stays_in_force_as_it_was() -> None:
    last = running(agent=NAMING, policies=(BASE, INTERNAL))
    use = PolicyUse(namespace="acme", name="internal", digest="sha256:old")
    laxer = for_all("laxer", size={"maxOutputTokens": 5000})
    made = planned(agent=NAMING, policies=(BASE, laxer), last=last, last_policies=(use,))
    assert made.config is not None
    assert made.config.policy.size.max_output_tokens == 100
    assert made.config.sources["size.maxOutputTokens"] == ["acme/internal"]
    assert use in made.uses
    assert made.policy_keys == {"acme/base", "acme/laxer", "acme/internal"}


def test_the_agents_own_edits_wait_too_unless_they_tighten() -> None:
    last = running(agent=agent(parameters={"maxOutputTokens": 64}))
    wider = agent(sensitivity="Public", parameters={"maxOutputTokens": 500})
    stricter = agent(sensitivity="Restricted", parameters={"maxOutputTokens": 5}, suspend=True)
    assert planned(agent=wider, route=None, last=last).config == last
    made = planned(agent=stricter, route=None, last=last).config
    assert made is not None
    assert (made.sensitivity, made.max_output_tokens, made.suspended) == (Sensitivity.RESTRICTED, 5, True)


def test_keys_of_callers_rotate_even_while_something_is_missing() -> None:
    rotated = replace(INSTALLATION, jwks={"keys": [{"kid": "two"}]})
    made = plan_agent(inputs(route=None, last=running()), rotated).config
    assert made is not None
    assert made.tokens.jwks == {"keys": [{"kid": "two"}]}


def test_while_the_route_is_missing_the_pods_keep_what_they_mount() -> None:
    mounted = frozenset({("openai", "api-key"), ("of-an-excluded-provider", "key")})
    assert planned(route=None, last=running(), live_credentials=mounted).credentials == mounted
    assert planned(route=None, last=running()).credentials == {("openai", "api-key")}


def test_a_policy_deleted_on_purpose_is_planned_without() -> None:
    last = running(policies=(BASE, for_all("strict", size={"maxOutputTokens": 10})))
    made = planned(last=last)
    assert made.problems == ()
    assert made.config is not None
    assert made.config.policy.size.max_output_tokens == 1024


def test_everything_that_is_wrong_is_told_policies_first() -> None:
    made = planned(agent=NAMING, route=None, instructions=None)
    assert [problem.reason for problem in made.problems] == [
        Reason.POLICY_MISSING,
        Reason.ROUTE_MISSING,
        Reason.INSTRUCTIONS_MISSING,
    ]


def test_instructions_that_are_too_long_are_not_accepted() -> None:
    made = planned(instructions="x" * 65_537)
    assert (made.problems[0].type, made.problems[0].reason) == (ConditionType.ACCEPTED, Reason.INVALID)
    assert made.config is None


CONFLICT = (
    for_all("a", callers={"serviceAccounts": [{"name": "front"}]}, **LOCAL_HOSTS),
    for_all("b", callers={"serviceAccounts": [{"name": "back"}]}),
)


def test_a_policy_conflict_names_the_policies_and_starts_nothing() -> None:
    made = planned(policies=CONFLICT)
    assert (made.problems[0].type, made.problems[0].reason) == (ConditionType.ACCEPTED, Reason.POLICY_CONFLICT)
    assert "acme/a, acme/b" in made.problems[0].message
    assert made.config is None


def test_a_policy_conflict_is_in_force_for_a_running_agent_and_denies() -> None:
    made = planned(policies=CONFLICT, last=running())
    assert made.problems[0].reason is Reason.POLICY_CONFLICT
    assert made.config is not None
    assert not made.config.policy.callers.admits("acme", "front", agent_namespace="acme")
    assert not made.config.policy.callers.admits("acme", "back", agent_namespace="acme")


def test_peers_with_nothing_in_common_are_a_conflict() -> None:
    def into(name: str, app: str) -> AgentPolicy:
        peer = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": app}}}
        return for_all(name, callers={"ingressFrom": [peer]}, **LOCAL_HOSTS)

    made = planned(policies=(into("a", "nginx"), into("b", "traefik")))
    assert [problem.reason for problem in made.problems] == [Reason.POLICY_CONFLICT]
    assert made.problems[0].message.startswith(
        "callers.ingressFrom: the lists of acme/a, acme/b have nothing in common"
    )
    assert planned(policies=(into("a", "nginx"), into("b", "nginx"))).problems == ()


def test_excluded_providers_are_named() -> None:
    local_only = for_all("inside", models={"localHosts": ["*.svc"], "allow": [{"host": "*.svc"}]})
    made = planned(policies=(local_only,))
    assert made.problems == ()
    assert made.excluded == ("cloud: models.allow does not let gpt-5 at api.openai.com",)


def test_a_service_that_is_not_there_is_named_and_changes_no_digest() -> None:
    made = planned(services={"models/llm": None})
    assert made.unreachable == ("onprem: the Service models/llm does not exist or may not be read",)
    assert made.digests == planned().digests


Edit = Callable[[AgentInputs, Installation], tuple[AgentInputs, Installation]]


def edited(**changes: Any) -> Edit:
    return lambda given, installation: (replace(given, **changes), installation)


def reinstalled(**changes: Any) -> Edit:
    return lambda given, installation: (given, replace(installation, **changes))


def changed_by(edit: Edit) -> set[str]:
    """Kinds of the children that an edit changes; the Deployment's template counts apart."""
    before, after = (_bodies(*pair) for pair in ((inputs(), INSTALLATION), edit(inputs(), INSTALLATION)))
    return {kind for kind in before.keys() | after.keys() if before.get(kind) != after.get(kind)}


def _bodies(given: AgentInputs, installation: Installation) -> dict[str, Any]:
    made = {str(body["kind"]): body for body in children(plan_agent(given, installation), Observation(), "{}").apply}
    template = made["Deployment"]["spec"].pop("template")
    return {**made, "template": template}


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (edited(policies=(for_all("base", size={"maxOutputTokens": 9}, **LOCAL_HOSTS),)), {"ConfigMap"}),
        (edited(route=route(timeouts={"idle": "1s"})), {"ConfigMap"}),
        (edited(instructions="Help more."), {"ConfigMap"}),
        (reinstalled(jwks={"keys": [{"kid": "two"}]}), {"ConfigMap"}),
        (edited(agent=agent(sensitivity="Restricted")), {"ConfigMap"}),
        (
            edited(policies=(for_all("base", egress={"cidrs": ["8.8.8.0/24"]}, **LOCAL_HOSTS),)),
            {"ConfigMap", "NetworkPolicy"},
        ),
        (
            edited(policies=(for_all("base", models={"localHosts": ["*.svc"], "allow": [{"host": "*.svc"}]}),)),
            {"ConfigMap", "NetworkPolicy"},
        ),
        (
            edited(
                policies=(
                    for_all("base", callers={"serviceAccounts": [{"namespace": "blue", "name": "*"}]}, **LOCAL_HOSTS),
                )
            ),
            {"ConfigMap", "NetworkPolicy"},
        ),
        (edited(services={**SERVICES, "models/llm": None}), {"NetworkPolicy"}),
        (
            edited(
                policies=(
                    for_all(
                        "base",
                        callers={"apiKeys": [{"name": "ci", "secretKeyRef": {"name": "keys", "key": "ci"}}]},
                        **LOCAL_HOSTS,
                    ),
                )
            ),
            {"ConfigMap", "template"},
        ),
        (
            edited(
                route=route(
                    providers=[
                        ONPREM,
                        {
                            **CLOUD,
                            "credentials": [{"name": "main", "secretKeyRef": {"name": "openai", "key": "second"}}],
                        },
                    ]
                )
            ),
            {"ConfigMap", "template"},
        ),
        (reinstalled(runtime_image="regent-runtime:2"), {"template"}),
        (edited(agent=agent(workload={"nodeSelector": {"pool": "agents"}})), {"template"}),
        (edited(agent=agent(workload={"resources": {"requests": {"cpu": "1"}}})), {"template"}),
        (edited(agent=agent(scaling={"replicas": 3})), {"ConfigMap", "Deployment", "PodDisruptionBudget"}),
        (edited(agent=agent(description="The helper.")), set()),
        (edited(policies=(for_all("renamed", **LOCAL_HOSTS),)), {"ConfigMap"}),
    ],
)
def test_each_edit_changes_these_children_and_no_others(edit: Edit, changed: set[str]) -> None:
    assert changed_by(edit) == changed


BYTES = 60_000


def fat(name: str, **more: Any) -> AgentPolicy:
    """A policy of some 18 KB."""
    patterns = [
        {"name": f"{name}-{number}", "re2": f"{name}{number:03}" + "x" * 480, "action": "Deny"} for number in range(32)
    ]
    return for_all(name, guardrails={"input": {"patterns": patterns}}, **more)


def test_policies_in_mode_audit_that_do_not_fit_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each repeats what is in force; what changes nothing must not keep an edit from the pods."""
    monkeypatch.setattr(planning, "MOST_BYTES", BYTES)
    trials = tuple(for_all(f"trial{number}", mode="Audit", size={"maxInputTokens": 50}) for number in range(4))
    made = planned(policies=(BASE, fat("one"), *trials))
    assert made.problems == ()
    assert made.config is not None
    assert made.config_text is not None
    assert [shadow.name for shadow in made.config.shadows] == ["acme/trial0", "acme/trial1"]
    assert made.untried == {"acme/trial2", "acme/trial3"}
    assert [use.name for use in made.uses] == ["base", "one", "trial0", "trial1"]
    assert len(made.config_text.encode()) <= BYTES


def test_policies_that_do_not_fit_keep_what_was_kept_for_so_long_and_replace_no_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "MOST_BYTES", BYTES)
    bot = {"name": "bot", "secretKeyRef": {"name": "bot", "key": "token"}}
    classes = {"Restricted": {"retention": "1h"}}
    strict = for_all("strict", data={"classes": classes}, callers={"apiKeys": [bot]})
    fits = planned(policies=(BASE, strict))
    made = planned(policies=(BASE, strict, *(fat(f"policy{number}") for number in range(4))))
    assert [problem.reason for problem in made.problems] == [Reason.CONFIG_TOO_LARGE]
    assert made.config is not None
    assert made.config.policy.data.classes.of(Sensitivity.RESTRICTED).retention_seconds == 3600
    assert ("bot", "token") in made.credentials
    assert made.credentials == fits.credentials


@pytest.mark.parametrize("last", [False, True])
def test_policies_that_do_not_fit_let_nobody_in(monkeypatch: pytest.MonkeyPatch, last: bool) -> None:
    """The last config would be laxer than what an admin tightens meanwhile."""
    monkeypatch.setattr(planning, "MOST_BYTES", BYTES)
    too_much = (BASE, *(fat(f"policy{number}") for number in range(4)))
    made = planned(policies=too_much, last=running() if last else None)
    assert [problem.reason for problem in made.problems] == [Reason.CONFIG_TOO_LARGE]
    assert made.config is not None
    assert made.config_text is not None
    assert len(made.config_text.encode()) <= BYTES
    assert not made.config.policy.callers.admits("acme", "chat", agent_namespace="acme")
    assert made.config.policy.callers.anonymous is Opinion.DENY
    assert (made.config.policy.callers.oidc, made.config.policy.callers.api_keys) == ([], [])
    assert (made.uses, made.route_digest) == ((), None), "nothing of what was declared is in force"
    assert "acme/policy0" in made.policy_keys


def test_what_fits_leaves_room_for_the_seal_in_a_configmap() -> None:
    assert planning.MOST_BYTES + 4096 < 1024 * 1024
