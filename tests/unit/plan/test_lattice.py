"""The laws of the lattice, over random policies and random requests."""

import itertools
import os
import random
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.effective import Duty, EffectivePolicy
from regent_api.model import Meet, MeetKind, Model, marks
from regent_api.policy import AgentPolicySpec, ApiKeyGrant, OidcGrant
from regent_api.types import Opinion, Sensitivity
from regent_operator.plan.lattice import Opinions, clause, fields, from_effective, meet, meet_all, opinions_of
from regent_operator.plan.policy import DEFAULTS, effective, value_of
from regent_runtime.addresses import OutsideHosts
from tests.unit.plan.policies import (
    ADDRESSES,
    GROUPS,
    HOSTS,
    ISSUERS,
    KEY_SETS,
    KEYS,
    MODELS,
    NAMES,
    NAMESPACES,
    specs,
)

laws = settings(deadline=None, max_examples=int(os.environ.get("REGENT_LAW_EXAMPLES", "50")))
"""`make mutants` asks for fewer: it runs them hundreds of times."""
opinions = st.builds(opinions_of, specs, st.sampled_from(("acme/a", "acme/b", "acme/c")))


def test_of_no_policy_there_is_no_opinion() -> None:
    assert meet_all([]) == {}


def test_every_field_that_bears_a_mark_meets_and_has_a_default() -> None:
    assert [field.path for field in fields()] == list(DEFAULTS)
    assert _marked(AgentPolicySpec) == len(DEFAULTS)


def test_every_field_has_a_place_in_the_effective_policy() -> None:
    assert {field.effective_where for field in fields()} == set(_leaves(EffectivePolicy))


@laws
@given(opinions)
def test_a_value_reads_back_from_the_effective_policy(one: Opinions) -> None:
    made = effective(one)
    for field in fields():
        if field.path in one:
            assert from_effective(field, value_of(made, field)) == one[field.path].value


@laws
@given(opinions)
def test_meet_is_idempotent(one: Opinions) -> None:
    assert meet(one, one) == one


@laws
@given(opinions, opinions)
def test_meet_is_commutative(one: Opinions, other: Opinions) -> None:
    assert meet(one, other) == meet(other, one)


@laws
@given(opinions, opinions, opinions)
def test_meet_is_associative(one: Opinions, two: Opinions, three: Opinions) -> None:
    assert meet(meet(one, two), three) == meet(one, meet(two, three))


@laws
@given(st.lists(opinions, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_policies_does_not_matter(many: list[Opinions], rng: random.Random) -> None:
    shuffled = rng.sample(many, len(many))
    assert meet_all(many) == meet_all(shuffled)


@laws
@given(opinions, opinions)
def test_where_an_opinion_exists_adding_a_policy_never_widens(one: Opinions, other: Opinions) -> None:
    """What A and B permit together, A permits and B permits: each field on which both, or one of them, has a say."""
    together = effective(meet(one, other))
    for alone in (one, other):
        assert_not_wider(together, effective(alone), stated=alone)


@laws
@given(opinions, opinions)
def test_a_value_is_always_traced_to_policies_that_have_a_say(one: Opinions, other: Opinions) -> None:
    both = meet(one, other)
    for path, stated in both.items():
        said = one.get(path, stated).sources | other.get(path, stated).sources
        assert stated.sources
        assert stated.sources <= said


def test_the_strictest_value_names_only_the_policies_behind_it() -> None:
    strict = opinions_of(AgentPolicySpec.model_validate({"size": {"turnTimeout": "90s"}}), "acme/strict")
    equal = opinions_of(AgentPolicySpec.model_validate({"size": {"turnTimeout": "1m30s"}}), "acme/equal")
    lax = opinions_of(AgentPolicySpec.model_validate({"size": {"turnTimeout": "1h"}}), "acme/lax")
    met = meet_all([lax, strict, equal])["size.turnTimeout"]
    assert (met.value, met.sources) == (90.0, frozenset({"acme/strict", "acme/equal"}))


def test_actions_hold_together_and_deny_absorbs_all_others() -> None:
    audit, redact, deny = (
        opinions_of(_personal_data(action), f"acme/{action.lower()}") for action in ("Audit", "Redact", "Deny")
    )
    path = "guardrails.output.personalData.action"
    both = meet(audit, redact)[path]
    assert (both.value, both.sources) == ({"Audit", "Redact"}, {"acme/audit", "acme/redact"})
    assert meet(redact, redact) == redact
    denied = meet_all([audit, deny, redact])[path]
    assert (denied.value, denied.sources) == ({"Deny"}, {"acme/deny"})


def test_approval_and_local_models_are_both_asked_for() -> None:
    approved, local = (
        opinions_of(_class(word), f"acme/{word.lower()}") for word in ("AllowedWithApproval", "LocalOnly")
    )
    made = effective(meet(approved, local)).data.classes.of(Sensitivity.CONFIDENTIAL)
    assert made.ai_processing == [Duty.APPROVE, Duty.LOCAL_ONLY]


def test_what_asks_for_nothing_adds_nothing() -> None:
    free, local = (opinions_of(_class(word), f"acme/{word.lower()}") for word in ("Allowed", "LocalOnly"))
    made = effective(meet(free, local)).data.classes.of(Sensitivity.CONFIDENTIAL)
    assert made.ai_processing == [Duty.LOCAL_ONLY]


def test_the_refusal_is_the_first_policys_by_name() -> None:
    one, other = (opinions_of(_refusal(text), f"acme/{text}") for text in ("b", "a"))
    stated = meet(one, other)["guardrails.refusal"]
    assert (stated.value, stated.sources) == ("a", {"acme/a"})


def test_patterns_of_equal_names_stay_each_policys_own() -> None:
    pattern = {"name": "code", "re2": "x+", "action": "Deny"}
    spec = AgentPolicySpec.model_validate({"guardrails": {"input": {"patterns": [pattern]}}})
    made = effective(meet(opinions_of(spec, "acme/a"), opinions_of(spec, "acme/b")))
    assert [found.policy for found in made.guardrails.input.patterns] == ["acme/a", "acme/b"]


def test_lists_that_say_the_same_are_one_clause() -> None:
    assert clause(["b", "a", "b"]) == clause(["a", "b"])


def assert_not_wider(together: EffectivePolicy, alone: EffectivePolicy, stated: Opinions) -> None:
    if "callers.serviceAccounts" in stated:
        for namespace in NAMESPACES:
            for name in NAMES:
                admitted = together.callers.admits(namespace, name, agent_namespace="acme")
                assert not admitted or alone.callers.admits(namespace, name, agent_namespace="acme")
    assert_callers_not_wider(together, alone, stated)
    for field in fields():
        if field.path in stated and not field.is_list:
            new, old = value_of(together, field), value_of(alone, field)
            assert not_wider(field.kind, new, old), field.path
    for group in GROUPS:
        if "data.personalData.readers" in stated and together.data.personal_data.may_read([group]):
            assert alone.data.personal_data.may_read([group])
        for subject in NAMES:
            if "approvals.approvers" in stated and together.approvals.may_approve(subject, [group]):
                assert alone.approvals.may_approve(subject, [group])
    for host in HOSTS:
        for model in MODELS:
            assert (
                "models.allow" not in stated
                or not together.models.admits(host, model)
                or alone.models.admits(host, model)
            )
        assert (
            "models.localHosts" not in stated
            or not together.models.is_local_host(host)
            or alone.models.is_local_host(host)
        )
        links = "guardrails.output.links.allow"
        admitted = together.guardrails.output.links.admits(host)
        assert links not in stated or not admitted or alone.guardrails.output.links.admits(host)
        assert "egress.hosts" not in stated or not together.egress.admits_host(host) or alone.egress.admits_host(host)
    for address in map(ip_address, ADDRESSES):
        admitted = OutsideHosts(together.egress, ()).admits(address)
        assert "egress.cidrs" not in stated or not admitted or OutsideHosts(alone.egress, ()).admits(address)


def assert_callers_not_wider(together: EffectivePolicy, alone: EffectivePolicy, stated: Opinions) -> None:
    """Neither another caller, nor the same one with another group."""
    for name in NAMES:
        for key in KEYS:

            def holds(grant: ApiKeyGrant, key: str = key) -> bool:
                return grant.secret_key_ref.key == key

            both, one = (policy.callers.api_key_groups(name, holds) for policy in (together, alone))
            assert "callers.apiKeys" not in stated or both is None or (one is not None and both <= one)
        for issuer, keys in itertools.product(ISSUERS, KEY_SETS):

            def proved(grant: OidcGrant, issuer: str = issuer, keys: str = keys) -> frozenset[str] | None:
                proof = (grant.issuer, grant.audience, grant.jwks.inline) == (issuer, "helper", keys)
                return frozenset({"support"} if grant.groups_claim else ()) if proof else None

            both, one = (policy.callers.oidc_groups(name, proved) for policy in (together, alone))
            assert "callers.oidc" not in stated or both is None or (one is not None and both <= one)


def not_wider(kind: MeetKind, new: Any, old: Any) -> bool:
    """Written without the lattice: what each kind promises of two values of the effective policy."""
    if kind is MeetKind.FIRST:
        return True
    if isinstance(old, list):
        return new == ["Deny"] or all(entry in new for entry in old)
    if isinstance(old, Opinion):
        return new is Opinion.DENY or old is Opinion.ALLOW
    if type(old) is str:
        new, old = Decimal(new), Decimal(old)
    return bool(new <= old if kind is MeetKind.CAP else new >= old)


def _leaves(model: type[Model], *where: str) -> Iterator[tuple[str, ...]]:
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Model):
            yield from _leaves(inner, *where, name)
        else:
            yield (*where, name)


def _marked(model: type[Model]) -> int:
    """How many fields of the model bear a mark that meets, counted without the lattice."""
    own = [info for info in model.model_fields.values() if next(marks(info, Meet), None)]
    others = [info for info in model.model_fields.values() if info not in own]
    return len(own) + sum(_marked(inner) for info in others for inner in _models_in(info.annotation))


def _models_in(annotation: object) -> list[type[Model]]:
    parts = [annotation, *getattr(annotation, "__args__", ())]
    return [part for part in parts if isinstance(part, type) and issubclass(part, Model)]


def test_sensitivity_caps_and_floors_take_opposite_ends() -> None:
    low = opinions_of(_sensitivities(Sensitivity.INTERNAL), "acme/low")
    high = opinions_of(_sensitivities(Sensitivity.RESTRICTED), "acme/high")
    met = effective(meet(low, high))
    assert (met.models.local_at_or_above, met.data.min_sensitivity) == (Sensitivity.INTERNAL, Sensitivity.RESTRICTED)


def _sensitivities(label: Sensitivity) -> AgentPolicySpec:
    spec = {"models": {"localAtOrAbove": label.value}, "data": {"minSensitivity": label.value}}
    return AgentPolicySpec.model_validate(spec)


def _personal_data(action: str) -> AgentPolicySpec:
    return AgentPolicySpec.model_validate({"guardrails": {"output": {"personalData": {"action": action}}}})


def _class(processing: str) -> AgentPolicySpec:
    return AgentPolicySpec.model_validate({"data": {"classes": {"Confidential": {"aiProcessing": processing}}}})


def _refusal(text: str) -> AgentPolicySpec:
    return AgentPolicySpec.model_validate({"guardrails": {"refusal": text}})
