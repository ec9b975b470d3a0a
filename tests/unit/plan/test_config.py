from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError, create_model

from regent_api.config import AgentConfig, CapabilitiesConfig, RuleConfig
from regent_api.effective import EffectivePolicy
from regent_api.model import Model
from regent_api.types import Sensitivity
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.config import cut, declared_route
from regent_operator.plan.document import document
from regent_operator.plan.lattice import opinions_of
from regent_operator.plan.policy import effective
from tests.enforces import enforces
from tests.unit.plan.samples import CLOUD, INSTALLATION, LOCAL_HOSTS, ONPREM, agent, for_all, inputs, policy, route

ALERT = {"name": "refused", "when": "record.outcome == 'refused'", "webhook": "http://hooks.ops.svc.corp.example/a"}


def policy_of(**spec: Any) -> EffectivePolicy:
    return effective(opinions_of(policy("p", **spec).spec, "acme/p"))


def config_of(**changes: Any) -> AgentConfig:
    made = plan_agent(inputs(**changes), INSTALLATION).config
    assert made is not None
    return made


def test_the_whole_document_of_a_simple_agent() -> None:
    local = route(providers=[ONPREM], rules=[{"name": "all", "providers": [{"name": "onprem"}]}])
    wire = config_of(route=local).wire()
    del wire["policy"], wire["sources"]
    assert wire == {
        "schemaVersion": 1,
        "agent": {"namespace": "acme", "name": "helper"},
        "instructions": "Help.",
        "sensitivity": "Internal",
        "route": {
            "name": "hybrid",
            "providers": [
                {
                    "name": "onprem",
                    "type": "Local",
                    "baseURL": "http://llm.models.svc:8080/v1",
                    "api": "ChatCompletions",
                    "model": "smollm2",
                    "maxSensitivity": "Restricted",
                }
            ],
            "rules": [{"name": "all", "atLeast": "Public", "providers": ["onprem"]}],
            "timeouts": {"connect": 2.0, "firstToken": 20.0, "idle": 15.0, "attempt": 60.0, "total": 90.0},
        },
        "state": {"conversations": True},
        "tokens": {"issuer": "https://kubernetes.default.svc", "jwks": {"keys": [{"kid": "one"}]}},
        "clusterCidrs": ["10.211.0.0/16", "10.212.0.0/16"],
    }


def test_a_runtime_of_the_version_before_reads_what_asks_for_nothing_new() -> None:
    """As if `drain` had come with this version: the same document and digest, and a refusal where it is stated."""
    known = {name: (field.annotation, field) for name, field in AgentConfig.model_fields.items() if name != "drain"}
    older: Any = create_model("Older", __base__=Model, **known)
    plain, draining = config_of(), config_of(agent=agent(drain={"idleAfter": "5m"}))
    assert AgentConfig.wire(older.model_validate(plain.wire())) == plain.wire()
    with pytest.raises(ValidationError, match="drain"):
        older.model_validate(draining.wire())


@pytest.mark.parametrize(
    ("bearing", "changes"),
    [
        (False, {}),
        (True, {"route": route(providers=[ONPREM, {**CLOUD, "baseURL": "https://llm.models.svc.corp.example/v1"}])}),
        (True, {"agent": agent(state={"redis": {"url": "redis://redis.data.svc.corp.example"}})}),
        (True, {"policies": (for_all("alerting", audit={"alerts": [ALERT]}, **LOCAL_HOSTS),)}),
    ],
)
def test_the_clusters_domain_is_stated_where_a_host_bears_it(bearing: bool, changes: dict[str, Any]) -> None:
    """Else pods of a version that knew none take the config as it is."""
    made = plan_agent(inputs(**changes), replace(INSTALLATION, cluster_domain="corp.example")).config
    assert made is not None
    assert made.wire().get("clusterDomain") == ("corp.example" if bearing else None)


def test_the_document_reads_back_as_itself() -> None:
    made = config_of()
    assert AgentConfig.model_validate_json(document(made).text) == made


def test_parameters_and_suspension_reach_the_pods() -> None:
    made = config_of(agent=agent(parameters={"temperature": 0.1, "maxOutputTokens": 64}, suspend=True))
    assert (made.temperature, made.max_output_tokens, made.suspended) == (0.1, 64, True)


def test_what_an_agent_says_of_batches_reaches_the_pods() -> None:
    assert config_of(agent=agent(batch={"grouping": "Similar"})).wire()["batch"] == {"grouping": "Similar"}


def test_what_an_agent_says_of_long_prompts_reaches_the_pods() -> None:
    made = config_of(agent=agent(instructions={"inline": "Help.", "short": "Go."}, prompt={"whenTooLong": "Shorten"}))
    assert made.wire()["prompt"] == {"whenTooLong": "Shorten", "shortInstructions": "Go."}


def test_a_window_that_no_route_states_is_the_tables() -> None:
    cloud = [{"name": "all", "providers": [{"name": CLOUD["name"]}]}]
    assert config_of(route=route(providers=[CLOUD], rules=cloud)).route.providers[0].wire()["capabilities"] == {
        **CapabilitiesConfig().wire(),
        "listedWindow": 400_000,
    }
    stated = {**CLOUD, "capabilities": {"contextWindow": 9}}
    capabilities = config_of(route=route(providers=[stated], rules=cloud)).route.providers[0].capabilities
    assert (capabilities.context_window, capabilities.listed_window) == (9, None)


def test_what_a_route_says_of_capabilities_reaches_the_pods() -> None:
    stated = {
        "tools": False,
        "jsonSchema": False,
        "streamUsage": False,
        "vision": True,
        "imageTokens": 9,
        "contextWindow": 8192,
        "tokenCounter": "InputTokens",
    }
    made = config_of(
        route=route(
            providers=[{**ONPREM, "capabilities": stated}], rules=[{"name": "all", "providers": [{"name": "onprem"}]}]
        )
    )
    assert made.route.providers[0].wire()["capabilities"] == stated


def test_the_fields_that_a_provider_passes_reach_the_pods_sorted() -> None:
    made = config_of(
        route=route(
            providers=[{**ONPREM, "passthrough": ["top_k", "min_p"]}],
            rules=[{"name": "all", "providers": [{"name": "onprem"}]}],
        )
    )
    assert made.route.providers[0].passthrough == ["min_p", "top_k"]


def test_when_a_conversation_is_over_reaches_the_pods() -> None:
    assert config_of(agent=agent(drain={"idleAfter": "1m30s"})).drain.idle_after_seconds == 90
    assert config_of(agent=agent(drain={})).drain.idle_after_seconds == 120


def test_what_a_route_says_of_attempts_reaches_the_pods() -> None:
    made = config_of(
        route=route(
            fallback={"errors": ["Timeout", "ContentFilter"], "maxAttempts": 2},
            timeouts={"minBytesPerSecond": 5},
            retries={
                "maxPerProvider": 0,
                "baseDelay": "1s",
                "maxDelay": "2s",
                "maxRetryAfter": "3s",
                "budgetPercent": 4,
            },
            circuitBreaker={
                "window": "1m",
                "minimumRequests": 2,
                "failureRatio": 0.25,
                "consecutiveFailures": 3,
                "openFor": "4s",
                "halfOpenProbes": 5,
            },
        )
    )
    found = made.route.wire()
    assert found["fallback"] == {"errors": ["ContentFilter", "Timeout"], "maxAttempts": 2}
    assert found["timeouts"]["minBytesPerSecond"] == 5
    assert found["retries"] == {
        "maxPerProvider": 0,
        "baseDelay": 1.0,
        "maxDelay": 2.0,
        "maxRetryAfter": 3.0,
        "budgetPercent": 4,
    }
    assert found["circuitBreaker"] == {
        "window": 60.0,
        "minimumRequests": 2,
        "failureRatio": 0.25,
        "consecutiveFailures": 3,
        "openFor": 4.0,
        "halfOpenProbes": 5,
    }


def test_a_credential_is_where_its_secret_lies() -> None:
    cloud = next(provider for provider in config_of().route.providers if provider.name == "cloud")
    assert [file.wire() for file in cloud.credentials] == [{"name": "main", "secret": "openai", "key": "api-key"}]


def test_a_route_is_uncut_where_everything_is_allowed() -> None:
    declared = declared_route("hybrid", route().spec)
    assert cut(declared, policy_of(**LOCAL_HOSTS)) == (declared, ())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            {"models": {"localHosts": ["*.svc"], "allow": [{"host": "*.svc"}]}},
            ("cloud: models.allow does not let gpt-5 at api.openai.com",),
        ),
        (
            {"models": {"localHosts": ["*.svc"]}, "egress": {"hosts": ["*.svc"]}},
            ("cloud: egress.hosts does not let api.openai.com",),
        ),
        ({}, ("onprem: models.localHosts does not count llm.models.svc as local",)),
        (
            {**LOCAL_HOSTS, "budget": {"perConversationUsd": "1"}},
            ("onprem: a budget needs a price, and nobody says what smollm2 costs; state it in the route",),
        ),
    ],
)
@enforces("models.allow.host", "models.localHosts", "egress.hosts")
def test_an_excluded_provider_is_dropped_and_named(spec: dict[str, Any], words: tuple[str, ...]) -> None:
    route_config, excluded = cut(declared_route("hybrid", route().spec), policy_of(**spec))
    gone = words[0].split(":", maxsplit=1)[0]
    assert excluded == words
    assert gone not in [provider.name for provider in route_config.providers]
    assert all(gone not in rule.providers for rule in route_config.rules)


def test_a_rule_without_provider_stays_and_denies() -> None:
    """If it vanished, Confidential turns would fall to the rule for all others, and leave the house."""
    route_config, _ = cut(declared_route("hybrid", route().spec), policy_of())
    assert route_config.rules == [
        RuleConfig(name="critical", at_least=Sensitivity.CONFIDENTIAL, providers=[]),
        RuleConfig(name="general", at_least=Sensitivity.PUBLIC, providers=["cloud"]),
    ]


def test_the_digest_of_a_route_is_over_its_meaning() -> None:
    one = declared_route("hybrid", route(timeouts={"idle": "60s"}, fallback={"errors": ["Timeout", "Auth"]}).spec)
    other = {"timeouts": {"idle": "1m"}, "fallback": {"errors": ["Auth", "Timeout"]}}
    same = declared_route("hybrid", route(providers=[CLOUD, ONPREM], **other).spec)
    assert one == same


@pytest.mark.parametrize(
    "changes",
    [
        {"instructions": "Help more."},
        {"agent": agent(sensitivity="Confidential")},
        {"agent": agent(suspend=True)},
        {"route": route(timeouts={"idle": "1s"})},
        {"route": route(fallback={"errors": ["Timeout"]})},
        {"route": route(fallback={"maxAttempts": 1})},
        {"policies": (for_all("base", size={"maxInputTokens": 99}, **LOCAL_HOSTS),)},
    ],
)
def test_every_edit_of_meaning_changes_the_config_digest(changes: dict[str, Any]) -> None:
    assert config_of(**changes).digests().config != config_of().digests().config


def test_keys_of_callers_change_the_config_digest_alone() -> None:
    new_keys = replace(INSTALLATION, jwks={"keys": [{"kid": "two"}]})
    before, after = plan_agent(inputs(), INSTALLATION).digests, plan_agent(inputs(), new_keys).digests
    assert before is not None
    assert after is not None
    assert before.config != after.config
    assert (before.policy, before.route) == (after.policy, after.route)


def test_names_of_policies_are_in_no_digest() -> None:
    one = config_of(policies=(for_all("base", **LOCAL_HOSTS),))
    renamed = config_of(policies=(for_all("renamed", **LOCAL_HOSTS),))
    assert one.digests() == renamed.digests()
    assert one.sources != renamed.sources


def test_a_rule_reaches_the_pods_as_declared() -> None:
    rule = {
        "name": "staff",
        "match": {"when": "'staff' in turn.callerGroups"},
        "providers": [{"name": "onprem", "weight": 9}, {"name": "cloud"}],
        "strategy": "Sticky",
    }
    whole = declared_route("hybrid", route(rules=[rule]).spec)
    assert whole.rules[0].wire() == {
        "name": "staff",
        "atLeast": "Public",
        "when": "'staff' in turn.callerGroups",
        "providers": ["onprem", "cloud"],
        "strategy": "Sticky",
        "weights": {"onprem": 9},
    }
    cut_route, _ = cut(whole, policy_of())
    assert cut_route.rules[0].weights == {}


@pytest.mark.parametrize(
    ("version", "told"),
    [({}, {}), ({"apiVersion": "v1"}, {}), ({"apiVersion": "2024-10-21"}, {"apiVersion": "2024-10-21"})],
)
def test_v1_of_azure_is_the_absence_of_a_date(version: dict[str, str], told: dict[str, str]) -> None:
    at_azure = {**CLOUD, "type": "AzureOpenAI", "azure": {"deployment": "chat", **version}}
    provider = declared_route("hybrid", route(providers=[at_azure]).spec).providers[0]
    assert provider.wire()["azure"] == {"deployment": "chat", **told}
    assert (provider.model, provider.upstream_model) == (CLOUD["model"], "chat")
