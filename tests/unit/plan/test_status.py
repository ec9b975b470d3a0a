"""The status contract: each phase of an agent's life, its conditions, and what kstatus makes of them."""

from dataclasses import replace
from typing import Any

import pytest

from regent_api.agent import AIAgentStatus
from regent_api.objects import Invalid, Metadata, Valid
from regent_api.status import Condition, ConditionStatus, Reason
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.echo import Echo
from regent_operator.plan.observation import Observation, Refusal
from regent_operator.plan.status import agent_figures, agent_status, invalid_agent_status
from tests.unit.plan.kstatus import kstatus
from tests.unit.plan.nextstep import ends_with_the_next_step
from tests.unit.plan.samples import (
    INSTALLATION,
    LATER,
    LOCAL_HOSTS,
    NOW,
    agent,
    deployment,
    echoing,
    for_all,
    inputs,
    pod,
    route,
)


def planned(**changes: Any) -> AgentPlan:
    return plan_agent(inputs(**changes), INSTALLATION)


PLAN = planned()
SERVING = Observation(deployment(), (echoing(PLAN),))
OLD = planned(instructions="Help less.")
THREE = planned(agent=agent(scaling={"replicas": 3}))
SUSPENDED = planned(agent=agent(suspend=True))
CONFLICTING = (
    for_all("a", callers={"serviceAccounts": [{"name": "front"}]}, **LOCAL_HOSTS),
    for_all("b", callers={"serviceAccounts": [{"name": "back"}]}),
)
REFUSING = pod().with_echo(Echo("helper-1-uid", digests=OLD.digests, config_error="route.providers: unknown type"))
CRASHING = pod(ready=False, crash="CrashLoopBackOff, last exit code 1")


def status_of(plan: AgentPlan, seen: Observation) -> AIAgentStatus:
    return agent_status(plan, seen, None, NOW)


def condition(status: AIAgentStatus, kind: str) -> Condition:
    return next(each for each in status.conditions if each.type == kind)


def shown(status: AIAgentStatus) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status.value, each.reason) for each in status.conditions}


def phase(status: AIAgentStatus) -> tuple[str, str, list[str], str]:
    """Ready, its reason, what stands beside it, kstatus."""
    ready = condition(status, "Ready")
    beside = [each.type for each in status.conditions if each.type in {"Reconciling", "Stalled", "Suspended"}]
    verdict = kstatus(status.conditions, observed=status.observed_generation, generation=3)
    return ready.status.value, ready.reason, beside, verdict


def test_the_whole_status_of_an_agent_that_serves() -> None:
    status = status_of(PLAN, SERVING)
    digest = PLAN.digests.config[:19] if PLAN.digests else ""
    common = {"status": "True", "observedGeneration": 3, "lastTransitionTime": NOW}
    assert status.wire()["conditions"] == [
        {**common, "type": "Ready", "reason": "Ready", "message": f"1/1 pods echo {digest}. Nothing to do."},
        {**common, "type": "Accepted", "reason": "Accepted", "message": "The spec is valid. Nothing to do."},
        {
            **common,
            "type": "ResolvedRefs",
            "reason": "ReferencesResolved",
            "message": "Every reference exists. Nothing to do.",
        },
        {
            **common,
            "type": "PolicyEnforced",
            "reason": "Enforced",
            "message": f"1/1 pods echo {digest}. Nothing to do.",
        },
        {
            **common,
            "type": "WorkloadAvailable",
            "reason": "Available",
            "message": "1 of 1 replicas are available. Nothing to do.",
        },
    ]
    assert (status.endpoint, status.replicas, status.enforced) == ("http://helper.acme.svc:8080", 1, "1/1")
    assert (status.digests, status.policies, status.policy_count) == (PLAN.digests, list(PLAN.uses), 1)
    assert status.effective == list(PLAN.effective)


STALLED, RECONCILING = ["Stalled"], ["Reconciling"]
BEHIND = ("True", "Ready", RECONCILING, "InProgress")

CONTRACT: dict[str, tuple[AgentPlan, Observation, tuple[str, str, list[str], str]]] = {
    "a new version waits for its wave": (PLAN, replace(SERVING, held_back=True), BEHIND),
    "just created": (PLAN, Observation(), ("False", "Progressing", RECONCILING, "InProgress")),
    "reference missing": (
        planned(route=None),
        Observation(),
        ("False", "RouteMissing", RECONCILING, "InProgress"),
    ),
    "reference missing, running": (
        planned(route=None, last=PLAN.config),
        SERVING,
        ("False", "RouteMissing", RECONCILING, "InProgress"),
    ),
    "credentials missing": (
        PLAN,
        Observation(deployment(), (echoing(PLAN, missing_credentials=("openai/hosts",)),)),
        ("False", "CredentialsMissing", RECONCILING, "InProgress"),
    ),
    "invalid": (
        planned(policies=(for_all("bad", egress={"cidrs": ["10.0.0.0/99"]}),)),
        Observation(),
        ("False", "PolicyInvalid", STALLED, "Failed"),
    ),
    "name conflict": (
        PLAN,
        Observation(name_conflicts=("Service acme/helper",)),
        ("False", "NameConflict", STALLED, "Failed"),
    ),
    "policy conflict": (planned(policies=CONFLICTING), Observation(), ("False", "PolicyConflict", STALLED, "Failed")),
    "no provider allowed": (
        planned(policies=(for_all("closed", models={"allow": [{"host": "other.test"}]}),)),
        Observation(),
        ("False", "NoProviderAllowed", STALLED, "Failed"),
    ),
    "an edit not yet enforced everywhere": (
        PLAN,
        Observation(deployment(2), (echoing(PLAN, "helper-1"), echoing(OLD, "helper-2"))),
        ("False", "NotYetEnforced", RECONCILING, "InProgress"),
    ),
    "an edit that a pod refuses": (
        PLAN,
        Observation(deployment(), (REFUSING,)),
        ("False", "ConfigRefused", STALLED, "Failed"),
    ),
    "enforced, fewer pods than desired": (
        THREE,
        Observation(deployment(3, available=1), (echoing(THREE), pod("helper-2", ready=False))),
        BEHIND,
    ),
    "serving and enforced": (PLAN, SERVING, ("True", "Ready", [], "Current")),
    "first pod starts": (
        PLAN,
        Observation(deployment(available=0), (pod(ready=False),)),
        ("False", "Progressing", RECONCILING, "InProgress"),
    ),
    "crash loop": (
        PLAN,
        Observation(deployment(available=0), (CRASHING,)),
        ("False", "CrashLoop", STALLED, "Failed"),
    ),
    "progress deadline passed": (
        PLAN,
        Observation(deployment(available=0, deadline_exceeded=True), ()),
        ("False", "ProgressDeadlineExceeded", STALLED, "Failed"),
    ),
    "progress deadline passed while older pods serve": (
        PLAN,
        Observation(deployment(deadline_exceeded=True), (echoing(PLAN), CRASHING)),
        ("False", "ProgressDeadlineExceeded", STALLED, "Failed"),
    ),
    "progress deadline passed while pods cannot be created": (
        PLAN,
        Observation(deployment(available=0, deadline_exceeded=True, replica_failure="exceeded quota: small"), ()),
        ("False", "ProgressDeadlineExceeded", STALLED, "Failed"),
    ),
    "enforced, fewer pods than desired, and one in a crash loop": (
        THREE,
        Observation(deployment(3, available=1), (echoing(THREE), CRASHING)),
        BEHIND,
    ),
    "enforced, and more pods cannot be created": (
        THREE,
        Observation(deployment(3, available=1, replica_failure="exceeded quota: small"), (echoing(THREE),)),
        BEHIND,
    ),
    "pods that cannot be created": (
        PLAN,
        Observation(deployment(available=0, total=0, replica_failure="exceeded quota: small"), ()),
        ("False", "ApplyRefused", STALLED, "Failed"),
    ),
    "a child refused by the API server": (
        PLAN,
        Observation(refused=(Refusal("Service acme/helper", "exceeded quota: services=0"),)),
        ("False", "ApplyRefused", STALLED, "Failed"),
    ),
    "suspension asked for, not yet everywhere": (
        SUSPENDED,
        Observation(deployment(), (echoing(PLAN),)),
        ("False", "NotYetEnforced", RECONCILING, "InProgress"),
    ),
    "suspended, scaling down": (
        SUSPENDED,
        Observation(deployment(), (echoing(SUSPENDED),)),
        ("True", "Suspended", ["Reconciling", "Suspended"], "InProgress"),
    ),
    "suspended": (SUSPENDED, Observation(deployment(0)), ("True", "Suspended", ["Suspended"], "Current")),
    "children of a predecessor": (
        PLAN,
        Observation(predecessor=True),
        ("False", "Progressing", RECONCILING, "InProgress"),
    ),
    "credentials changed": (
        PLAN,
        Observation(deployment(total=2), (echoing(PLAN, pod_facts={"credentials": frozenset()}),)),
        BEHIND,
    ),
    "deleted": (
        replace(PLAN, agent=Valid(replace(PLAN.agent.metadata, deleting=True), PLAN.agent.spec)),
        SERVING,
        ("False", "Terminating", RECONCILING, "InProgress"),
    ),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_each_phase_of_the_contract(name: str) -> None:
    plan, seen, wanted = CONTRACT[name]
    assert phase(status_of(plan, seen)) == wanted


@pytest.mark.parametrize("name", CONTRACT)
def test_in_each_phase_every_condition_is_dated_worded_and_of_this_generation(name: str) -> None:
    plan, seen, _ = CONTRACT[name]
    status = status_of(plan, seen)
    kinds = [each.type for each in status.conditions]
    assert kinds[:5] == ["Ready", "Accepted", "ResolvedRefs", "PolicyEnforced", "WorkloadAvailable"]
    assert len(kinds) == len(set(kinds))
    assert {each.observed_generation for each in status.conditions} == {3}
    for each in status.conditions:
        assert ends_with_the_next_step(each.message), each
        assert each.reason in set(Reason)
    AIAgentStatus.model_validate_json(status.model_dump_json())


def test_just_created_before_the_operator_has_looked_is_in_progress() -> None:
    """The CRD's default."""
    pending = Condition(
        type="Ready", status=ConditionStatus.UNKNOWN, reason="Pending", message=".", last_transition_time=NOW
    )
    assert kstatus([pending], observed=None, generation=1) == "InProgress"


def test_an_edit_changes_policy_enforced_alone() -> None:
    status = shown(status_of(PLAN, Observation(deployment(), (echoing(OLD),))))
    assert status["PolicyEnforced"] == ("False", "NotYetEnforced")
    assert status["WorkloadAvailable"] == ("True", "Available")
    assert status["ResolvedRefs"] == ("True", "ReferencesResolved")


def test_pods_that_never_served_do_not_count() -> None:
    starting = pod("helper-2", ready=False)
    assert status_of(PLAN, Observation(deployment(), (echoing(PLAN), starting))).enforced == "1/1"


def test_a_pod_that_ends_with_turns_still_running_counts() -> None:
    ending = echoing(OLD, "helper-2", pod_facts={"ready": False, "deleting": True}, oldest_turn="sha256:old")
    status = status_of(PLAN, Observation(deployment(), (echoing(PLAN), ending)))
    assert (status.enforced, shown(status)["PolicyEnforced"]) == ("1/2", ("False", "NotYetEnforced"))


def test_a_pod_that_ends_idle_does_not_count() -> None:
    ending = echoing(OLD, "helper-2", pod_facts={"ready": False, "deleting": True})
    assert status_of(PLAN, Observation(deployment(), (echoing(PLAN), ending))).enforced == "1/1"


def test_the_echo_of_another_pod_never_counts() -> None:
    mistaken = pod("helper-2").with_echo(Echo("helper-1-uid", digests=PLAN.digests))
    assert status_of(PLAN, Observation(deployment(), (mistaken,))).enforced == "0/1"


def test_a_serving_pod_without_echo_is_not_enforced() -> None:
    status = status_of(PLAN, Observation(deployment(), (pod(),)))
    assert (status.enforced, shown(status)["PolicyEnforced"]) == ("0/1", ("False", "NotYetEnforced"))


def test_an_old_digest_that_only_bears_the_same_policy_is_not_enforced() -> None:
    assert OLD.digests is not None
    assert PLAN.digests is not None
    assert OLD.digests.policy == PLAN.digests.policy
    assert status_of(PLAN, Observation(deployment(), (echoing(OLD),))).enforced == "0/1"


def test_the_pods_words_stand_in_the_condition_when_it_refuses() -> None:
    message = condition(status_of(PLAN, Observation(deployment(), (REFUSING,))), "PolicyEnforced").message
    assert "Pod helper-1 refuses the new config" in message
    assert "route.providers: unknown type" in message


def test_a_pod_of_an_older_template_misses_nothing_that_it_does_not_mount() -> None:
    older = echoing(PLAN, pod_facts={"credentials": frozenset()}, missing_credentials=("openai/api-key",))
    status = shown(status_of(PLAN, Observation(deployment(), (older,))))
    assert status["ResolvedRefs"] == ("True", "ReferencesResolved")
    assert status["Reconciling"] == ("True", "CredentialsChanged")


def test_missing_credentials_are_named_and_counted() -> None:
    names = [f"cloud-{number}/api-key" for number in range(7)]
    facts = {"credentials": frozenset((f"cloud-{number}", "api-key") for number in range(7))}
    pods = (
        echoing(PLAN, "helper-1", pod_facts=facts, missing_credentials=tuple(names), missing_beyond=90),
        echoing(PLAN, "helper-2", pod_facts=facts, missing_credentials=tuple(names[:6]), missing_beyond=91),
    )
    message = condition(status_of(PLAN, Observation(deployment(2), pods)), "ResolvedRefs").message
    assert message.startswith(f"The pods miss {', '.join(names[:5])} and 93 more (SECRET/KEY of the agent's namespace)")


def test_a_pod_that_misses_more_than_it_could_name_misses_some() -> None:
    """Of an older template that mounts none of those that it names, it may mount the others."""
    facts = {"credentials": frozenset({("zoo", "api-key")})}
    older = echoing(PLAN, pod_facts=facts, missing_credentials=("cloud/api-key",), missing_beyond=2)
    status = status_of(PLAN, Observation(deployment(), (older,)))
    assert shown(status)["ResolvedRefs"] == ("False", "CredentialsMissing")
    assert condition(status, "ResolvedRefs").message.startswith("The pods miss 2 more (SECRET/KEY")


def test_excluded_providers_are_named_while_all_is_well() -> None:
    local_only = planned(policies=(for_all("in", models={"localHosts": ["*.svc"], "allow": [{"host": "*.svc"}]}),))
    status = status_of(local_only, Observation(deployment(), (echoing(local_only),)))
    assert phase(status) == ("True", "Ready", [], "Current")
    resolved = condition(status, "ResolvedRefs")
    assert (resolved.status, resolved.reason) == (ConditionStatus.TRUE, "ProvidersExcluded")
    assert "cloud: models.allow does not let gpt-5 at api.openai.com" in resolved.message


def test_a_trial_that_is_one_too_many_is_named_while_all_is_well() -> None:
    trials = tuple(for_all(f"t{n}", mode="Audit") for n in range(9))
    plan = planned(policies=(for_all("base", **LOCAL_HOSTS), *trials))
    seen = Observation(deployment(), (echoing(plan),))
    status = status_of(plan, seen)

    assert phase(status) == ("True", "Ready", [], "Current")
    assert condition(status, "PolicyEnforced").message.endswith(
        "Of the policies in mode Audit at most 8 are tried, as far as they fit into the config, and not acme/t8. "
        "Change some: enforce or delete them."
    )
    assert agent_figures(plan, seen).untried == {"acme/t8"}
    assert agent_figures(plan, seen).policies["acme/t8"] is None


def test_a_kept_config_is_said_to_be_in_force() -> None:
    status = status_of(planned(route=None, last=PLAN.config), SERVING)
    assert condition(status, "ResolvedRefs").message.startswith("The last config stays in force. ")
    assert shown(status)["PolicyEnforced"] == ("True", "Enforced")


def test_the_time_moves_only_when_the_status_does() -> None:
    first = agent_status(PLAN, Observation(deployment(), (echoing(OLD),)), None, NOW)
    second = agent_status(PLAN, SERVING, first, LATER)
    assert condition(second, "PolicyEnforced").last_transition_time == LATER
    assert condition(second, "Accepted").last_transition_time == NOW
    assert agent_status(PLAN, SERVING, second, "2026-11-25T21:00:00Z") == second


def test_a_new_reason_of_the_same_status_keeps_the_time() -> None:
    first = agent_status(PLAN, Observation(deployment(), (echoing(OLD),)), None, NOW)
    second = agent_status(PLAN, Observation(deployment(), (REFUSING,)), first, LATER)
    assert condition(second, "PolicyEnforced").reason == "ConfigRefused"
    assert condition(second, "PolicyEnforced").last_transition_time == NOW


def test_an_agent_that_cannot_be_read_is_stalled_and_keeps_its_figures() -> None:
    before = agent_status(PLAN, SERVING, None, NOW)
    unreadable = Invalid(Metadata("acme", "helper", generation=3), "spec.sensitivity: not a label")
    status = invalid_agent_status(unreadable, before, LATER)
    assert phase(status) == ("False", "Invalid", ["Stalled"], "Failed")
    assert (status.enforced, status.digests) == (before.enforced, before.digests)


def test_figures_say_what_takes_part() -> None:
    figures = agent_figures(PLAN, SERVING)
    assert (figures.key, figures.route, figures.serving) == ("acme/helper", "acme/hybrid", 1)
    assert (figures.policy_enforced, figures.route_enforced, figures.tried) == (1, 1, 0)
    assert figures.policies == {"acme/base": PLAN.uses[0].digest}
    assert figures.route_digest == PLAN.route_digest


def pods_of(plan: AgentPlan, held: AgentPlan) -> tuple[int, int, int]:
    """Under the policies, on the route and in trials, of one pod that still holds another plan's config."""
    figures = agent_figures(plan, Observation(deployment(), (echoing(held),)))
    return figures.policy_enforced, figures.route_enforced, figures.tried


def test_an_edit_of_the_agent_alone_leaves_policies_and_route_in_force() -> None:
    assert pods_of(PLAN, OLD) == (1, 1, 0)
    tighter = planned(policies=(for_all("base", size={"maxInputTokens": 99}, **LOCAL_HOSTS),))
    assert pods_of(tighter, PLAN) == (0, 1, 0)
    assert pods_of(planned(route=route(timeouts={"idle": "9s"})), PLAN) == (1, 0, 0)


def test_a_trial_counts_where_the_whole_config_is_held() -> None:
    """It stands in no digest but that."""
    policies = (for_all("base", **LOCAL_HOSTS), for_all("trial", mode="Audit", size={"maxInputTokens": 99}))
    trying, before = planned(policies=policies), planned(policies=policies[:1])
    assert pods_of(trying, trying) == (1, 1, 1)
    assert pods_of(trying, before) == (1, 1, 0)


def test_figures_of_an_agent_without_config_name_what_it_waits_for() -> None:
    waiting = agent_figures(planned(agent=agent(policyRefs=[{"name": "gone"}])), Observation())
    assert waiting.policies == {"acme/base": None, "acme/gone": None}
    assert waiting.route_digest is None


GONE = {"route": {"route": None}, "policy": {"agent": agent(suspend=True, policyRefs=[{"name": "gone"}])}}


@pytest.mark.parametrize("missing", GONE)
def test_without_a_config_a_running_agent_keeps_what_is_known_of_its_last(missing: str) -> None:
    before = agent_status(PLAN, SERVING, None, NOW)
    plan = planned(**GONE[missing])
    after = agent_status(plan, SERVING, before, LATER)
    assert plan.config is None
    assert (after.digests, after.effective) == (before.digests, before.effective)
    assert shown(after)["PolicyEnforced"] == ("False", "NotYetEnforced")
    assert "Suspended" not in shown(after), "nobody told the pods"


def test_without_a_config_a_suspended_agent_stays_suspended() -> None:
    seen = Observation(deployment(0))
    before = agent_status(SUSPENDED, seen, None, NOW)
    after = agent_status(planned(agent=agent(suspend=True), route=None), seen, before, LATER)
    assert after.digests == before.digests
    assert shown(after)["Suspended"] == ("True", "Suspended")
    assert shown(after)["Ready"] == ("False", "RouteMissing")


def test_a_new_agent_without_config_has_no_digests() -> None:
    new = agent_status(planned(agent=agent(suspend=True), route=None), Observation(), None, NOW)
    assert (new.digests, new.effective) == (None, None)
    assert "Suspended" not in shown(new)


def test_conversations_are_those_of_the_pods_that_can_serve() -> None:
    gone = echoing(THREE, "helper-3", pod_facts={"ready": False}, active_conversations=9)
    pods = (echoing(THREE, active_conversations=2), echoing(THREE, "helper-2", active_conversations=5), gone)
    assert status_of(THREE, Observation(deployment(3), pods)).conversations == 7


def test_an_autoscaled_agent_is_complete_with_the_pods_that_its_autoscaler_wants() -> None:
    auto = planned(agent=agent(scaling={"auto": {}}))
    pods = tuple(echoing(auto, f"helper-{number}") for number in range(7))
    status = status_of(auto, Observation(deployment(7), pods))
    assert phase(status) == ("True", "Ready", [], "Current")
    assert shown(status)["ScalingActive"] == ("Unknown", "Pending")
    assert condition(status, "WorkloadAvailable").message.startswith("7 of 7 replicas")
    growing = status_of(auto, Observation(deployment(9, available=7, updated=7, total=9), pods))
    assert phase(growing) == ("True", "Ready", ["Reconciling"], "InProgress")
