from typing import Any

import pytest

from regent_api.status import Reason
from regent_operator.plan.acceptance import policy_error, policy_rejection, route_rejection
from tests.unit.plan.samples import CLOUD, CRITICAL, FLOOR_NAMESPACE, GENERAL, ONPREM, policy, route

WITHOUT_VALUES = {"matchExpressions": [{"key": "tier", "operator": "In"}]}
WITH_VALUES = {"matchExpressions": [{"key": "tier", "operator": "Exists", "values": ["front"]}]}


def error_of_policy(namespace: str = "acme", **spec: Any) -> str | None:
    return policy_error(policy("p", namespace, **spec), FLOOR_NAMESPACE)


def error_of_route(**spec: Any) -> str | None:
    rejection = route_rejection(route(**spec), "cluster.local")
    return rejection.words if rejection else None


def only(**provider: Any) -> dict[str, Any]:
    return {"providers": [{**CLOUD, **provider}], "rules": [{"name": "all", "providers": [{"name": "cloud"}]}]}


def azure(baseURL: str = "https://acme.openai.azure.com", api: str = "ChatCompletions", **azure: Any) -> dict[str, Any]:  # noqa: N803
    return only(type="AzureOpenAI", baseURL=baseURL, api=api, azure={"deployment": "chat", **azure})


def test_an_empty_policy_is_accepted() -> None:
    assert error_of_policy() is None


def test_a_budget_may_be_tried() -> None:
    assert error_of_policy(budget={"perDayUsd": "5"}, mode="Audit") is None


def test_a_cache_is_no_trial() -> None:
    cache = {"maxSensitivity": "Internal"}
    assert error_of_policy(cache=cache) is None
    assert error_of_policy(cache=cache, mode="Audit") == (
        "spec.cache: no answer is kept for a trial; state it in a policy of mode Enforce"
    )


@pytest.mark.parametrize("selector", [WITHOUT_VALUES, WITH_VALUES])
@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("spec.selector.agents", lambda selector: {"selector": {"agents": selector}}),
        ("spec.selector.namespaces", lambda selector: {"selector": {"namespaces": selector}}),
        (
            "spec.callers.ingressFrom[1].podSelector",
            lambda selector: {"callers": {"ingressFrom": [{"podSelector": {}}, {"podSelector": selector}]}},
        ),
        (
            "spec.callers.ingressFrom[0].namespaceSelector",
            lambda selector: {"callers": {"ingressFrom": [{"namespaceSelector": selector}]}},
        ),
    ],
)
def test_a_selector_that_is_none_is_told_with_its_path(path: str, spec: Any, selector: dict[str, Any]) -> None:
    error = error_of_policy(FLOOR_NAMESPACE, **spec(selector))
    assert error == f"{path}: tier: In and NotIn take values; Exists and DoesNotExist take none"


def test_namespaces_are_selected_in_the_operators_namespace_only() -> None:
    assert error_of_policy(FLOOR_NAMESPACE, selector={"namespaces": {}}) is None
    assert str(error_of_policy(selector={"namespaces": {}})).startswith("spec.selector.namespaces: only a policy of")


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("record.outcome ==", "is not CEL"),
        ("record.result == 'x'", "a record has no field result"),
        ("record.code.matches('(a+)+')", "the function matches is not offered"),
        ("record.flags.all(a, record.flags.all(b, record.flags.all(c, true)))", "has more than 2 of all"),
    ],
)
def test_a_condition_that_is_none_is_told_with_its_path(when: str, words: str) -> None:
    good = {"name": "good", "when": "record.outcome == 'refused'"}
    made = policy("p", audit={"alerts": [good, {"name": "bad", "when": when}]})
    rejection = policy_rejection(made, FLOOR_NAMESPACE)
    assert rejection is not None
    assert rejection.reason is Reason.INVALID_EXPRESSION
    assert rejection.words.startswith(f"spec.audit.alerts[1].when: bad: {words}")


@pytest.mark.parametrize("webhook", ["https://:80/", "https://hooks.test:99999/", "https://[::1/"])
def test_a_webhook_that_nobody_can_reach_is_told(webhook: str) -> None:
    alert = {"name": "a", "when": "record.outcome == 'refused'", "webhook": webhook}
    assert str(error_of_policy(audit={"alerts": [alert]})).startswith("spec.audit.alerts[0].webhook: a: no host")


@pytest.mark.parametrize("cidr", ["10.0.0.0/99", "nonsense", "10.0.0.300/8"])
def test_a_range_that_is_none_is_told(cidr: str) -> None:
    assert error_of_policy(egress={"cidrs": ["10.0.0.0/8", cidr]}) == (
        f"spec.egress.cidrs: {cidr!r} is not a range of addresses; write one such as 10.0.0.0/8"
    )


def test_a_turn_takes_time() -> None:
    assert str(error_of_policy(size={"turnTimeout": "0s"})).startswith("spec.size.turnTimeout: must be longer than 0s")


def test_api_keys_are_of_the_agents_namespace_and_never_of_a_floor() -> None:
    callers = {"apiKeys": [{"name": "ci", "secretKeyRef": {"name": "keys", "key": "ci"}}]}
    assert policy_error(policy("own", callers=callers), FLOOR_NAMESPACE) is None
    error = policy_error(policy("floor", FLOOR_NAMESPACE, callers=callers), FLOOR_NAMESPACE)
    assert error is not None
    assert "state apiKeys in a policy of the agents' namespace" in error


def test_a_key_set_that_is_none_is_told_with_its_path() -> None:
    grant = {"issuer": "https://id.test", "audience": "helper", "jwks": {"inline": "nonsense"}}
    error = policy_error(policy("own", callers={"oidc": [grant]}), FLOOR_NAMESPACE)
    assert error == "spec.callers.oidc[0].jwks.inline: is not JSON; paste what the issuer serves at its jwks_uri"


def test_a_plain_route_is_accepted() -> None:
    assert error_of_route() is None
    assert error_of_route(**only(type="Anthropic", api="Messages")) is None
    assert error_of_route(providers=[{**ONPREM, "api": "Messages"}, CLOUD]) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"providers": [ONPREM, CLOUD, CLOUD]}, "spec.providers: the name cloud stands 2 times"),
        ({"rules": [GENERAL, CRITICAL, GENERAL]}, "spec.rules: the name general stands 2 times"),
        ({"providers": [CLOUD]}, "spec.rules: critical names the provider onprem, which is not in spec.providers"),
        ({"fallback": {"errors": ["Cancelled"]}}, "spec.fallback.errors: leave Cancelled out"),
        (
            {"rules": [CRITICAL, {**GENERAL, "match": {"when": "turn.caller == 'me'"}}]},
            "spec.rules[1].match.when: general: a turn has no field caller; it has callerGroups, callerKind",
        ),
        ({"retries": {"baseDelay": "0s"}}, "spec.retries.baseDelay: must be longer than 0s"),
        ({"circuitBreaker": {"openFor": "0s"}}, "spec.circuitBreaker.openFor: must be longer than 0s"),
        ({"timeouts": {"firstToken": "0s"}}, "spec.timeouts.firstToken: must be longer than 0s"),
        (only(baseURL="http://api.openai.com/v1"), "spec.providers: cloud: baseURL must start with https://"),
        (only(type="Local"), "spec.providers: cloud: a Local provider takes no credentials"),
        (only(type="AzureOpenAI"), "spec.providers: cloud: azure belongs to type AzureOpenAI, which needs it"),
        (only(azure={"deployment": "chat"}), "spec.providers: cloud: azure belongs to type AzureOpenAI"),
        (azure(apiVersion="2024-06-01"), "spec.providers: cloud: azure.apiVersion: write v1, or 2024-10-21 or later"),
        (azure(api="Responses", apiVersion="2025-04-01-preview"), "spec.providers: cloud: a dated azure.apiVersion"),
        (
            azure("https://acme.openai.azure.com/openai/v1"),
            "spec.providers: cloud: baseURL is the URL of the resource alone, such as https://NAME.openai.azure.com",
        ),
        (
            only(type="Anthropic"),
            "spec.providers: cloud: type Anthropic speaks Messages; write that as api, or another type",
        ),
        (only(api="Messages"), "spec.providers: cloud: type OpenAI speaks ChatCompletions or Responses; write that"),
        (
            only(credentials=[{"name": "main", "secretKeyRef": {"name": "openai", "key": "hosts"}}]),
            "spec.providers: cloud: the key `hosts` says where a Secret may be sent",
        ),
    ],
)
def test_a_route_that_cannot_be_used_is_told(spec: dict[str, Any], words: str) -> None:
    assert str(error_of_route(**spec)).startswith(words)


@pytest.mark.parametrize(
    "spec",
    [
        azure(),
        azure(apiVersion="2024-10-21"),
        azure(apiVersion="2025-04-01-preview"),
        azure(api="Responses"),
        azure(api="Responses", apiVersion="v1"),
        azure("https://openai.acme.example/gateway"),
    ],
)
def test_a_deployment_at_azure_is_accepted(spec: dict[str, Any]) -> None:
    assert error_of_route(**spec) is None


def test_a_service_of_the_cluster_may_be_plain_http() -> None:
    assert error_of_route(**only(baseURL="http://gateway.acme.svc/v1")) is None
