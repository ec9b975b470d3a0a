"""The laws of the lattice, over random policies and random requests."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.config import EffectivePolicy
from regent_api.model import Meet, MeetKind, Model, marks
from regent_api.policy import AgentPolicySpec
from regent_api.types import Opinion, Sensitivity
from regent_operator.plan.lattice import Opinions, clause, fields, meet, meet_all, opinions_of
from regent_operator.plan.policy import DEFAULTS, effective
from tests.unit.plan.policies import ADDRESSES, HOSTS, MODELS, NAMES, NAMESPACES, specs

laws = settings(deadline=None, max_examples=50)
opinions = st.builds(opinions_of, specs, st.sampled_from(("acme/a", "acme/b", "acme/c")))


def test_of_no_policy_there_is_no_opinion() -> None:
    assert meet_all([]) == {}


def test_every_field_that_bears_a_mark_meets_and_has_a_default() -> None:
    assert [field.path for field in fields()] == list(DEFAULTS)
    assert _marked(AgentPolicySpec) == len(DEFAULTS)


def test_every_field_has_a_place_in_the_effective_policy() -> None:
    effective_fields = {
        (group, name)
        for group, info in EffectivePolicy.model_fields.items()
        for name in info.annotation.model_fields  # type: ignore[union-attr]
    }
    assert {(field.group, field.effective_name) for field in fields()} == effective_fields


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


def test_lists_that_say_the_same_are_one_clause() -> None:
    assert clause(["b", "a", "b"]) == clause(["a", "b"])


def assert_not_wider(together: EffectivePolicy, alone: EffectivePolicy, stated: Opinions) -> None:
    if "callers.serviceAccounts" in stated:
        for namespace in NAMESPACES:
            for name in NAMES:
                admitted = together.callers.admits(namespace, name, agent_namespace="acme")
                assert not admitted or alone.callers.admits(namespace, name, agent_namespace="acme")
    for path, new, old in (
        ("callers.anonymous", together.callers.anonymous, alone.callers.anonymous),
        ("callers.mayInstruct", together.callers.may_instruct, alone.callers.may_instruct),
    ):
        assert path not in stated or new is Opinion.DENY or old is Opinion.ALLOW
    for path, new_bound, old_bound in (
        ("size.maxRequestBytes", together.size.max_request_bytes, alone.size.max_request_bytes),
        ("size.maxInputTokens", together.size.max_input_tokens, alone.size.max_input_tokens),
        ("size.maxOutputTokens", together.size.max_output_tokens, alone.size.max_output_tokens),
        ("size.turnTimeout", together.size.turn_timeout_seconds, alone.size.turn_timeout_seconds),
    ):
        assert path not in stated or new_bound <= old_bound
    if "models.localAtOrAbove" in stated:
        assert together.models.local_at_or_above <= alone.models.local_at_or_above
    if "data.minSensitivity" in stated:
        assert together.data.min_sensitivity >= alone.data.min_sensitivity
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
        assert "egress.hosts" not in stated or not together.egress.admits_host(host) or alone.egress.admits_host(host)
    for address in ADDRESSES:
        admitted = together.egress.admits_address(address)
        assert "egress.cidrs" not in stated or not admitted or alone.egress.admits_address(address)


def _marked(model: type[Model]) -> int:
    """How many fields of the model bear a mark that meets, counted without the lattice."""
    inner = [value for info in model.model_fields.values() for value in _models_in(info.annotation)]
    own = [
        mark for info in model.model_fields.values() for mark in marks(info, Meet) if mark.kind is not MeetKind.NOT_MET
    ]
    return len(own) + sum(_marked(each) for each in inner)


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
