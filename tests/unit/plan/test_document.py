"""The document is the config's canonical JSON, although its parts are written once for many agents."""

from dataclasses import replace
from typing import Any

import pytest

from regent_api.config import AgentConfig, canonical
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.document import SHARED, Document, document
from tests.unit.plan.samples import CLOUD, INSTALLATION, LOCAL_HOSTS, agent, for_all, inputs, policy, route

KEYS = replace(INSTALLATION, jwks={"keys": [{"kid": "zwei \u2713"}]})
WORDS = {"inline": 'Sage "gr\u00fc\u00dfe" \u2028 \U0001f642\\ \u0001'}
AUDITED = policy("tried", selector={}, mode="Audit", size={"maxOutputTokens": 7}, **LOCAL_HOSTS)
EDITS: list[dict[str, Any]] = [
    {},
    {"instructions": WORDS["inline"]},
    {"agent": agent(sensitivity="Confidential", suspend=True, parameters={"temperature": 0.5})},
    {"route": route(providers=[CLOUD], rules=[{"name": "all", "providers": [{"name": "cloud", "weight": 3}]}])},
    {"policies": (for_all("base", size={"maxInputTokens": 99}, **LOCAL_HOSTS), AUDITED)},
    {"policies": (for_all("other", size={"maxInputTokens": 99}, **LOCAL_HOSTS),)},
]


def whole(config: AgentConfig) -> Document:
    """Nothing remembered, nothing put together."""
    return Document(canonical(config.wire()), config.digests())


@pytest.mark.parametrize("installation", [INSTALLATION, KEYS], ids=["one", "other keys"])
@pytest.mark.parametrize("changes", EDITS)
def test_the_document_is_the_configs_canonical_json(changes: dict[str, Any], installation: Any) -> None:
    config = plan_agent(inputs(**changes), installation).config
    assert config is not None
    assert document(config) == whole(config)
    assert document(config.model_copy()) == whole(config), "from what is remembered"


def test_another_policy_or_route_is_never_taken_for_the_one_before() -> None:
    """However they follow on one another, and although none of them is held by anybody else."""
    for number in range(16, 48):
        config = plan_agent(
            inputs(
                policies=(for_all("base", size={"maxInputTokens": number}, **LOCAL_HOSTS),),
                route=route(timeouts={"idle": f"{number}s"}),
            ),
            INSTALLATION,
        ).config
        assert config is not None
        assert document(config) == whole(config)


def test_agents_of_the_same_policies_and_route_share_what_is_remembered() -> None:
    """By identity: were a part made anew for each agent, each would be written anew, and nobody would see it."""
    same = inputs()
    plans = [plan_agent(replace(same, agent=agent(name)), INSTALLATION) for name in ("one", "other")]
    one, other = (plan.config for plan in plans)
    assert [getattr(one, name) is getattr(other, name) for name in SHARED] == [True] * len(SHARED)
    assert plans[0].policy_keys is plans[1].policy_keys
    assert all(mine is theirs for mine, theirs in zip(plans[0].uses, plans[1].uses, strict=True))


def test_what_is_shared_always_stands_in_the_document() -> None:
    config = plan_agent(inputs(), INSTALLATION).config
    assert config is not None
    fields = type(config).model_fields
    assert all(fields[name].is_required() and (fields[name].alias or name) == name for name in SHARED)
