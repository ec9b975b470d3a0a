"""Which policies apply to an agent, and what they come to."""

from typing import Any

from regent_api.agent import EffectiveField
from regent_api.config import AgentConfig
from regent_api.objects import AgentPolicy, Invalid, Metadata
from regent_api.policy import ServiceAccountGrant
from regent_api.types import Opinion
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.lattice import fields, meet_all
from regent_operator.plan.policy import applying, described, effective, sources, tightened
from tests.enforces import enforces
from tests.unit.plan.samples import FLOOR_NAMESPACE, INSTALLATION, LOCAL_HOSTS, agent, for_all, inputs, policy


def applied(*policies: AgentPolicy | Invalid, **changes: Any) -> tuple[list[str], tuple[str, ...], dict[str, str]]:
    found = applying(inputs(policies=policies, **changes), FLOOR_NAMESPACE)
    return [reading.key for reading in found.readings], found.missing, dict(found.invalid)


def test_without_policies_the_defaults_hold() -> None:
    free = {"aiProcessing": [], "anonymize": False}
    assert effective({}).wire() == {
        "callers": {
            "serviceAccounts": [[{"name": "*"}]],
            "oidc": [],
            "apiKeys": [],
            "anonymous": "Deny",
            "mayInstruct": "Deny",
            "ingressFrom": [],
        },
        "size": {
            "maxRequestBytes": 1048576,
            "maxInputTokens": 8000,
            "maxOutputTokens": 1024,
            "turnTimeoutSeconds": 120.0,
        },
        "limits": [],
        "budget": {"onExceeded": "Deny", "alertAtPercent": []},
        "cache": {"ttlSeconds": 3600.0, "semantic": "Deny", "minSimilarity": 0.85, "scope": "Caller"},
        "models": {"localHosts": [], "localAtOrAbove": "Confidential"},
        "guardrails": {
            "input": {
                "injection": {"patterns": ["Deny"], "model": ["Audit"], "level": "Balanced"},
                "specialTokens": ["Escape"],
                "images": "Deny",
                "patterns": [],
            },
            "output": {
                "streaming": "Window",
                "personalData": {
                    "action": [],
                    "detectors": ["Card", "Email", "IBAN", "IPAddress", "NationalID", "Phone"],
                },
                "secrets": ["Deny"],
                "instructionsLeak": [],
                "links": {"images": []},
                "patterns": [],
            },
            "refusal": "I'm sorry, but I can't assist with that request.",
        },
        "data": {
            "minSensitivity": "Public",
            "unlabelled": "Restricted",
            "classes": {"Public": free, "Internal": free, "Confidential": free, "Restricted": free},
            "personalData": {"readers": []},
        },
        "approvals": {"approvers": [], "ttlSeconds": 900.0, "fourEyes": True},
        "egress": {},
        "audit": {
            "durability": "Pod",
            "content": "None",
            "retentionSeconds": 15552000.0,
            "onFailure": "Deny",
            "alerts": [],
        },
        "onStateError": "Deny",
    }


def test_a_policy_without_selector_applies_to_nobody_who_does_not_name_it() -> None:
    assert applied(policy("internal")) == ([], (), {})


def test_a_policy_that_the_agent_names_applies() -> None:
    assert applied(policy("internal"), agent=agent(policyRefs=[{"name": "internal"}])) == (["acme/internal"], (), {})


def test_an_empty_selector_applies_to_all_of_the_namespace() -> None:
    assert applied(for_all("all"), for_all("elsewhere", "blue")) == (["acme/all"], (), {})


@enforces("selector.agents")
def test_a_selector_picks_agents_by_label() -> None:
    front = policy("front", selector={"agents": {"matchLabels": {"tier": "front"}}})
    back = policy("back", selector={"agents": {"matchLabels": {"tier": "back"}}})
    assert applied(front, back, agent=agent(labels={"tier": "front"})) == (["acme/front"], (), {})


def test_an_empty_selector_in_the_operators_namespace_is_a_floor_for_all() -> None:
    assert applied(for_all("floor", FLOOR_NAMESPACE)) == (["regent-system/floor"], (), {})


@enforces("selector.agents", "selector.namespaces")
def test_a_floor_selects_by_the_labels_of_both_agent_and_namespace() -> None:
    selector = {
        "agents": {"matchLabels": {"tier": "front"}},
        "namespaces": {"matchLabels": {"env": "prod"}},
    }
    floor = policy("floor", FLOOR_NAMESPACE, selector=selector)
    front = agent(labels={"tier": "front"})
    assert applied(floor, agent=front, namespace_labels={"env": "prod"}) == (["regent-system/floor"], (), {})
    assert applied(floor, agent=front, namespace_labels={"env": "test"}) == ([], (), {})
    assert applied(floor, agent=agent(), namespace_labels={"env": "prod"}) == ([], (), {})


def test_an_agent_cannot_name_a_policy_of_another_namespace() -> None:
    named = agent(policyRefs=[{"name": "floor"}])
    assert applied(policy("floor", FLOOR_NAMESPACE), agent=named) == ([], ("acme/floor",), {})


def test_in_the_operators_own_namespace_a_policy_applies_once() -> None:
    at_home = agent(namespace=FLOOR_NAMESPACE, policyRefs=[{"name": "floor"}])
    assert applied(for_all("floor", FLOOR_NAMESPACE), agent=at_home) == (["regent-system/floor"], (), {})


def test_a_policy_that_is_named_and_does_not_exist_is_missing() -> None:
    assert applied(agent=agent(policyRefs=[{"name": "gone"}])) == ([], ("acme/gone",), {})


def test_namespaces_selected_outside_the_operators_namespace_make_a_policy_invalid_for_its_agents() -> None:
    misplaced = policy("misplaced", selector={"namespaces": {"matchLabels": {"env": "prod"}}})
    keys, missing, invalid = applied(misplaced)
    assert (keys, missing, list(invalid)) == ([], (), ["acme/misplaced"])
    assert invalid["acme/misplaced"].startswith(
        "spec.selector.namespaces: only a policy of the operator's own namespace"
    )


def test_a_misplaced_selector_of_other_agents_is_not_this_agents_business() -> None:
    selector = {"namespaces": {}, "agents": {"matchLabels": {"tier": "back"}}}
    assert applied(policy("misplaced", selector=selector)) == ([], (), {})


@enforces("mode")
def test_a_policy_in_mode_audit_casts_a_shadow_and_takes_no_part() -> None:
    trial = for_all("trial", mode="Audit", size={"maxOutputTokens": 5})
    plan = plan_agent(
        inputs(policies=(for_all("base", size={"maxInputTokens": 50}, **LOCAL_HOSTS), trial)), INSTALLATION
    )
    assert plan.config is not None
    assert plan.config.policy.size.max_output_tokens == 1024
    (shadow,) = plan.config.shadows
    assert (shadow.name, shadow.policy.size.max_output_tokens, shadow.policy.size.max_input_tokens) == (
        "acme/trial",
        5,
        50,
    )
    assert "acme/trial" in plan.policy_keys
    assert [use.name for use in plan.uses] == ["base", "trial"]


def test_a_shadow_is_made_once_for_all_agents_and_anew_for_other_policies() -> None:
    base, trial = for_all("base", **LOCAL_HOSTS), for_all("trial", mode="Audit", size={"maxOutputTokens": 99})
    tighter = for_all("tighter", size={"maxInputTokens": 77})

    def shadow(*policies: AgentPolicy, name: str = "a") -> Any:
        config = plan_agent(inputs(agent=agent(name), policies=policies), INSTALLATION).config
        assert config is not None
        return config.shadows[0]

    first = shadow(base, trial)
    assert shadow(base, trial, name="b") is first
    assert shadow(base, tighter, trial).policy.size.max_input_tokens == 77
    assert shadow(base, for_all("trial", mode="Audit", size={"maxOutputTokens": 9})).policy.size.max_output_tokens == 9


def test_an_invalid_policy_in_mode_audit_stops_nobody() -> None:
    misplaced = policy("trial", mode="Audit", selector={"namespaces": {}})
    assert applied(misplaced) == ([], (), {})


def test_at_most_eight_policies_cast_a_shadow() -> None:
    found = applying(inputs(policies=tuple(for_all(f"t{n}", mode="Audit") for n in range(9))), FLOOR_NAMESPACE)
    assert [reading.key for reading in found.shadows] == [f"acme/t{n}" for n in range(8)]
    assert found.untried == {"acme/t8"}
    assert "acme/t8" in found.keys, "so that its status counts the agent"
    assert "t8" not in [use.name for use in found.uses]


def test_a_selector_that_cannot_be_read_might_apply() -> None:
    broken = policy("broken", selector={"agents": {"matchExpressions": [{"key": "tier", "operator": "In"}]}})
    keys, _, invalid = applied(broken)
    assert (keys, list(invalid)) == ([], ["acme/broken"])


def test_an_unreadable_policy_might_apply_and_is_never_left_out() -> None:
    unreadable = Invalid(Metadata(FLOOR_NAMESPACE, "floor"), "spec.size.maxInputTokens: too small")
    assert applied(unreadable) == ([], (), {"regent-system/floor": "spec.size.maxInputTokens: too small"})


def test_an_unreadable_policy_of_another_namespace_does_not_matter() -> None:
    assert applied(Invalid(Metadata("blue", "broken"), "nonsense")) == ([], (), {})


def test_what_does_not_apply_keeps_nothing_after_it_from_applying() -> None:
    elsewhere, unreadable = for_all("x", "aaa"), Invalid(Metadata("acme", "broken"), "nonsense")
    found = applied(elsewhere, unreadable, policy("unselected"), for_all("zoo"))
    assert found == (["acme/zoo"], (), {"acme/broken": "nonsense"})


def test_the_uses_carry_digests_of_meaning() -> None:
    one = applying(inputs(policies=(for_all("a", size={"turnTimeout": "90s"}),)), FLOOR_NAMESPACE).uses
    same = applying(inputs(policies=(for_all("a", size={"turnTimeout": "1m30s"}),)), FLOOR_NAMESPACE).uses
    other = applying(inputs(policies=(for_all("a", size={"turnTimeout": "91s"}),)), FLOOR_NAMESPACE).uses
    assert one == same
    assert one != other


def test_two_policies_meet_field_by_field_with_their_sources() -> None:
    strict = for_all("strict", size={"maxOutputTokens": 100}, callers={"anonymous": "Allow"})
    floor = for_all("floor", FLOOR_NAMESPACE, size={"maxOutputTokens": 500}, callers={"anonymous": "Deny"})
    opinions = applying(inputs(policies=(strict, floor)), FLOOR_NAMESPACE).opinions
    found, behind = effective(opinions), sources(opinions)
    assert (found.size.max_output_tokens, behind["size.maxOutputTokens"]) == (100, ["acme/strict"])
    assert (found.callers.anonymous, behind["callers.anonymous"]) == (Opinion.DENY, ["regent-system/floor"])
    assert behind["size.maxInputTokens"] == []


def test_everything_must_allow_for_anonymous_callers() -> None:
    both = (for_all("a", callers={"anonymous": "Allow"}), for_all("b", callers={"anonymous": "Allow"}))
    opinions = applying(inputs(policies=both), FLOOR_NAMESPACE).opinions
    assert effective(opinions).callers.anonymous is Opinion.ALLOW


def test_the_same_list_in_two_policies_is_one_list_with_two_sources() -> None:
    allow = {"models": {"allow": [{"host": "api.openai.com", "models": ["b", "a"]}]}}
    again = {"models": {"allow": [{"host": "api.openai.com", "models": ["a", "b"]}]}}
    opinions = applying(inputs(policies=(for_all("a", **allow), for_all("b", **again))), FLOOR_NAMESPACE).opinions
    assert effective(opinions).models.wire()["allow"] == [[{"host": "api.openai.com", "models": ["a", "b"]}]]
    assert sources(opinions)["models.allow"] == ["acme/a", "acme/b"]


def test_status_shows_each_field_as_users_write_it() -> None:
    opinions = applying(inputs(policies=(for_all("a", size={"turnTimeout": "1m30s"}),)), FLOOR_NAMESPACE).opinions
    shown = {each.field: each for each in described(opinions, effective(opinions))}
    assert list(shown) == [field.path for field in fields()]
    assert shown["size.turnTimeout"] == EffectiveField(field="size.turnTimeout", value='"90s"', from_=["acme/a"])
    assert shown["models.allow"] == EffectiveField(field="models.allow", value="null", from_=[])
    assert shown["callers.anonymous"] == EffectiveField(field="callers.anonymous", value='"Deny"', from_=[])
    assert shown["callers.serviceAccounts"].value == '[[{"name":"*"}]]'


def test_a_long_value_is_cut_to_what_a_status_holds() -> None:
    hosts = [f"host-{n:03}.{'a' * 60}.test" for n in range(64)]
    many = [for_all(f"p{n}", egress={"hosts": [f"{n}.test", *hosts[:63]]}) for n in range(3)]
    opinions = applying(inputs(policies=tuple(many)), FLOOR_NAMESPACE).opinions
    shown = {each.field: each for each in described(opinions, effective(opinions))}
    assert len(shown["egress.hosts"].value) == most("value")
    EffectiveField.model_validate(shown["egress.hosts"].model_dump())


def test_of_many_policies_behind_a_field_as_many_are_told_as_a_status_holds() -> None:
    many = [for_all(f"p{n:02}", size={"maxOutputTokens": 5}) for n in range(most("from") + 1)]
    opinions = applying(inputs(policies=tuple(many)), FLOOR_NAMESPACE).opinions
    shown = {each.field: each for each in described(opinions, effective(opinions))}
    assert shown["size.maxOutputTokens"].from_ == [f"acme/p{n:02}" for n in range(most("from"))]


def most(field: str) -> int:
    """Characters or entries that the schema lets a field of the status hold."""
    schema = EffectiveField.model_json_schema()["properties"][field]
    return int(schema.get("maxLength") or schema["maxItems"])


def test_status_shows_what_is_not_ascii_as_it_is_written() -> None:
    refusal = for_all("a", guardrails={"refusal": "Das geht nicht: ä"})
    opinions = applying(inputs(policies=(refusal,)), FLOOR_NAMESPACE).opinions
    shown = {each.field: each.value for each in described(opinions, effective(opinions))}
    assert shown["guardrails.refusal"] == '"Das geht nicht: ä"'


def test_agents_under_the_same_policies_share_what_these_come_to() -> None:
    """Thousands of agents: one meet, and one effective policy in memory."""
    policies = (for_all("a", size={"maxOutputTokens": 5}), for_all("b", FLOOR_NAMESPACE))
    one, other = (applying(inputs(agent=agent(name), policies=policies), FLOOR_NAMESPACE) for name in ("x", "y"))
    assert one.in_force is other.in_force
    assert one.opinions is other.opinions


def last_with(**spec: Any) -> AgentConfig:
    made = plan_agent(inputs(policies=(for_all("old", **spec),)), INSTALLATION).config
    assert made is not None
    return made


def test_what_stands_is_read_back_with_its_sources() -> None:
    last = last_with(size={"maxOutputTokens": 100}, models={"localHosts": ["*.svc"]})
    kept = tightened(last, meet_all([]))
    assert effective(kept) == last.policy
    assert sources(kept) == last.sources


def test_what_stands_can_be_tightened() -> None:
    last = last_with(size={"maxOutputTokens": 100}, models={"localHosts": ["*.svc"]})
    new = for_all("new", size={"maxOutputTokens": 50, "maxInputTokens": 64}, models={"localHosts": ["*.models.svc"]})
    kept = tightened(last, applying(inputs(policies=(new,)), FLOOR_NAMESPACE).opinions)
    found = effective(kept)
    assert (found.size.max_output_tokens, found.size.max_input_tokens) == (50, 64)
    assert found.models.local_hosts == [["*.models.svc"], ["*.svc"]]


def test_what_stands_is_never_loosened_not_even_a_default() -> None:
    last = last_with(models={"localHosts": ["*.svc"]})
    lax = for_all(
        "lax",
        size={"maxOutputTokens": 100_000},
        callers={
            "serviceAccounts": [{"namespace": "blue", "name": "*"}],
            "anonymous": "Allow",
            "ingressFrom": [{"podSelector": {}}],
        },
        data={"minSensitivity": "Public"},
    )
    kept = tightened(last, applying(inputs(policies=(lax,)), FLOOR_NAMESPACE).opinions)
    found = effective(kept)
    assert found.size == last.policy.size
    assert found.callers.anonymous is Opinion.DENY
    assert found.callers.ingress_from == []
    assert not found.callers.admits("blue", "front", agent_namespace="acme")
    assert found.callers.service_accounts == [
        [ServiceAccountGrant(name="*", namespace="blue")],
        [ServiceAccountGrant(name="*")],
    ]


def test_a_refusal_that_stands_by_default_gives_way_and_a_policys_own_does_not() -> None:
    """Of a text that is one policy's there is no stricter one: a default is nobody's."""
    new = for_all("a", guardrails={"refusal": "New."})
    opinions = applying(inputs(policies=(new,)), FLOOR_NAMESPACE).opinions
    by_default, stated = last_with(), last_with(guardrails={"refusal": "Old."})
    assert effective(tightened(by_default, opinions)).guardrails.refusal == "New."
    assert effective(tightened(stated, meet_all([]))).guardrails.refusal == "Old."
