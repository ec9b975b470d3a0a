from typing import Any

import pytest

from regent_api.config import AgentConfig, AgentIdentity, digest
from regent_api.effective import EffectiveCallers, EffectiveEgress, EffectiveModels
from regent_api.policy import ModelAllow, ServiceAccountGrant
from regent_api.types import Opinion, Sensitivity
from regent_operator.plan.policy import effective

CONFIG: dict[str, Any] = {
    "schemaVersion": 1,
    "agent": {"namespace": "acme", "name": "helper"},
    "instructions": "Help.",
    "sensitivity": "Internal",
    "suspended": False,
    "policy": effective({}).wire(),
    "sources": {"callers.anonymous": ["regent-system/floor"]},
    "prompt": {"whenTooLong": "Refuse"},
    "batch": {"grouping": "None"},
    "shadows": [],
    "route": {
        "name": "local",
        "providers": [
            {
                "name": "onprem",
                "type": "Local",
                "baseURL": "http://model.models.svc:8080/v1",
                "api": "ChatCompletions",
                "model": "small",
                "credentials": [],
                "maxSensitivity": "Restricted",
                "capabilities": {"tools": True, "jsonSchema": True, "streamUsage": True, "vision": False},
                "passthrough": [],
            }
        ],
        "rules": [{"name": "all", "atLeast": "Public", "providers": ["onprem"], "strategy": "Ordered", "weights": {}}],
        "fallback": {
            "errors": [
                "Auth",
                "ContextWindow",
                "QuotaExhausted",
                "RateLimited",
                "SlowStream",
                "Timeout",
                "Transient",
                "Truncated",
            ],
            "maxAttempts": 3,
        },
        "timeouts": {
            "connect": 2.0,
            "firstToken": 20.0,
            "idle": 15.0,
            "attempt": 60.0,
            "total": 90.0,
            "minBytesPerSecond": 0,
        },
        "retries": {
            "maxPerProvider": 1,
            "baseDelay": 0.25,
            "maxDelay": 8.0,
            "maxRetryAfter": 30.0,
            "budgetPercent": 20,
        },
        "circuitBreaker": {
            "window": 30.0,
            "minimumRequests": 10,
            "failureRatio": 0.5,
            "consecutiveFailures": 5,
            "openFor": 15.0,
            "halfOpenProbes": 1,
        },
    },
    "state": {"conversations": False},
    "drain": {"idleAfterSeconds": 120.0},
    "tokens": {"issuer": "https://issuer", "jwks": {"keys": []}, "maxLifetimeSeconds": 86400},
    "clusterCidrs": ["10.0.0.0/8"],
}


def test_what_the_operator_writes_the_runtime_reads() -> None:
    read = AgentConfig.model_validate(CONFIG)
    assert AgentConfig.model_validate(read.wire()) == read


def test_whether_a_default_is_written_out_changes_no_digest() -> None:
    short = AgentConfig.model_validate(CONFIG).wire()
    long = short | {"suspended": False, "shadows": [], "tokens": short["tokens"] | {"maxLifetimeSeconds": 86400}}
    assert long != short
    assert AgentConfig.model_validate(long).digests() == AgentConfig.model_validate(short).digests()


def test_a_config_of_another_schema_version_is_refused() -> None:
    with pytest.raises(ValueError, match="schemaVersion"):
        AgentConfig.model_validate(CONFIG | {"schemaVersion": 2})


def test_a_digest_is_over_meaning_and_not_over_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"b": [1, 2]}) != digest({"b": [2, 1]})
    assert digest("é").startswith("sha256:")


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"sources": {}}, set()),
        ({"instructions": "Help more."}, {"config"}),
        ({"tokens": {"issuer": "https://issuer", "jwks": {"keys": [{"kid": "new"}]}}}, {"config"}),
        (
            {"policy": CONFIG["policy"] | {"data": CONFIG["policy"]["data"] | {"minSensitivity": "Internal"}}},
            {"config", "policy"},
        ),
        ({"shadows": [{"name": "acme/trial", "policy": CONFIG["policy"]}]}, {"config"}),
        ({"route": CONFIG["route"] | {"rules": []}}, {"config", "route"}),
    ],
    ids=["sources", "instructions", "jwks", "policy", "shadow", "route"],
)
def test_each_digest_covers_what_it_names(change: dict[str, Any], changed: set[str]) -> None:
    before = AgentConfig.model_validate(CONFIG).digests().wire()
    after = AgentConfig.model_validate(CONFIG | change).digests().wire()
    assert {name for name in before if before[name] != after[name]} == changed


def test_an_audience_names_one_agent() -> None:
    assert AgentIdentity(namespace="acme", name="helper").audience == "regent.dev/acme/helper"


def callers(*policies: list[ServiceAccountGrant]) -> EffectiveCallers:
    return EffectiveCallers(
        service_accounts=list(policies), anonymous=Opinion.DENY, may_instruct=Opinion.DENY, ingress_from=[]
    )


OWN = ServiceAccountGrant(name="*")
EVERYWHERE = ServiceAccountGrant(namespace="*", name="chat-*")
OTHER = ServiceAccountGrant(namespace="other", name="chat")


@pytest.mark.parametrize(
    ("policies", "namespace", "name", "admitted"),
    [
        ([], "acme", "chat", False),
        ([[OWN]], "acme", "anyone", True),
        ([[OWN]], "other", "anyone", False),
        ([[EVERYWHERE]], "other", "chat-1", True),
        ([[EVERYWHERE]], "other", "batch", False),
        ([[OTHER]], "other", "chat", True),
        ([[OWN, OTHER]], "other", "chat", True),
        ([[OWN], [EVERYWHERE]], "acme", "chat-1", True),
        ([[OWN], [EVERYWHERE]], "acme", "batch", False),
        ([[OWN], []], "acme", "chat-1", False),
    ],
)
def test_a_caller_is_let_in_by_every_policy_or_not_at_all(
    policies: list[list[ServiceAccountGrant]], namespace: str, name: str, admitted: bool
) -> None:
    assert callers(*policies).admits(namespace, name, agent_namespace="acme") is admitted


@pytest.mark.parametrize(
    ("allow", "host", "model", "admitted"),
    [
        (None, "api.openai.com", "gpt-4o", True),
        ([], "api.openai.com", "gpt-4o", False),
        ([[ModelAllow(host="api.openai.com")]], "api.openai.com", "anything", True),
        ([[ModelAllow(host="api.openai.com", models=["gpt-*"])]], "api.openai.com", "o3", False),
        ([[ModelAllow(host="*.openai.com")], [ModelAllow(host="api.openai.com")]], "eu.openai.com", "o3", False),
    ],
)
def test_a_model_is_allowed_by_every_policy_or_not_at_all(
    allow: list[list[ModelAllow]] | None, host: str, model: str, admitted: bool
) -> None:
    models = EffectiveModels(allow=allow, local_hosts=[], local_at_or_above=Sensitivity.CONFIDENTIAL)
    assert models.admits(host, model) is admitted


@pytest.mark.parametrize(
    ("hosts", "local"), [([], False), ([["*.svc"]], True), ([["*.svc"], ["model.other.svc"]], False)]
)
def test_a_host_is_local_for_every_policy_or_not_at_all(hosts: list[list[str]], local: bool) -> None:
    models = EffectiveModels(local_hosts=hosts, local_at_or_above=Sensitivity.CONFIDENTIAL)
    assert models.is_local_host("model.models.svc") is local


def test_a_host_is_reachable_for_every_policy_or_not_at_all() -> None:
    assert EffectiveEgress().admits_host("anything.example")
    assert EffectiveEgress(hosts=[["*.example"]]).admits_host("api.example")
    assert not EffectiveEgress(hosts=[["*.example"], ["www.example"]]).admits_host("api.example")
    assert not EffectiveEgress(hosts=[]).admits_host("api.example")
