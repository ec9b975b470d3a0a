"""Manifests that somebody writes to get around a policy, to break the operator, or by a bad mistake.

Each is refused by the API server, or the operator does not accept it (Accepted=False); in either case the words say what
to write instead. One is valid and of no use: a foreign host that calls itself local is ResolvedRefs=False with the reason
NoProviderAllowed, since a policy's edit may make it usable, and starts no pod either.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.api.kubectl import Kubectl
from tests.api.manifests import AGENT, POLICY, ROUTE, changed
from tests.api.operator_fixtures import Object, World, agent, policy, route
from tests.api.running_operator import NAMESPACE, RunningOperator, eventually
from tests.cluster import Cluster

CYRILLIC_A = "\u0430"
ZERO_WIDTH = "\u200b"
TAGS = "".join(chr(0xE0000 + ord(letter)) for letter in "admin")
PATTERN = {"name": "p", "re2": "a", "action": "Deny"}
OIDC = {"issuer": "https://id.example.com", "audience": "helper", "jwks": {"inline": '{"keys": []}'}}
PRIVATE = json.dumps(
    {"keys": [RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)]}
)
BOMB = "record.decisions.all(d0, " * 12 + "true" + ")" * 12
"""As many steps as there are decisions, to the power of twelve."""


@dataclass(frozen=True)
class Refusal:
    """A manifest with one field changed, and what the API server says of it."""

    what: str
    manifest: Object
    field: str
    value: Any
    words: str


REFUSED = [
    Refusal(
        "10,000 callers",
        POLICY,
        "spec.callers.serviceAccounts",
        [{"name": f"caller-{number}"} for number in range(10_000)],
        "must have at most 64 items",
    ),
    Refusal(
        "10,000 patterns",
        POLICY,
        "spec.guardrails.input.patterns",
        [{**PATTERN, "name": f"p-{number}"} for number in range(10_000)],
        "must have at most 32 items",
    ),
    Refusal(
        "a pattern of a megabyte",
        POLICY,
        "spec.guardrails.input.patterns",
        [{**PATTERN, "re2": "a" * 1_000_000}],
        "may not be more than 512",
    ),
    Refusal(
        "an expression of 100,000 terms",
        POLICY,
        "spec.audit.alerts",
        [{"name": "a", "when": " || ".join(["true"] * 100_000)}],
        "may not be more than 1024",
    ),
    Refusal(
        "an action that is none",
        POLICY,
        "spec.guardrails.input.injection.patterns",
        "Ignore",
        'supported values: "Audit", "Deny"',
    ),
    Refusal("a mode that is none", POLICY, "spec.mode", "Off", 'supported values: "Enforce", "Audit"'),
    Refusal("a negative cap", POLICY, "spec.size.maxInputTokens", -1, "should be greater than or equal to 16"),
    Refusal(
        "a negative limit",
        POLICY,
        "spec.limits",
        [{"per": "Caller", "requestsPerMinute": -5}],
        "should be greater than or equal to 1",
    ),
    Refusal(
        "a cap beyond all integers",
        POLICY,
        "spec.size.maxRequestBytes",
        2**70,
        "should be less than or equal to 6",  # 67108864, as the API server writes it of a number that is no int64
    ),
    Refusal(
        "a time beyond all clocks",
        POLICY,
        "spec.size.turnTimeout",
        "999999h999999h999999h999999h",
        "may not be more than 24",
    ),
    Refusal("a time before now", POLICY, "spec.size.turnTimeout", "-1s", "must be a duration such as 250ms, 30s"),
    Refusal("a billion pods", AGENT, "spec.scaling.replicas", 10**9, "should be less than or equal to 1000"),
    Refusal(
        "a field whose name is almost right",
        POLICY,
        "spec.callers.serviceaccounts",
        [{"name": "only-me"}],
        'unknown field "spec.callers.serviceaccounts"',
    ),
    Refusal(
        "a route of another namespace",
        AGENT,
        "spec.modelRouteRef.namespace",
        "finance",
        'unknown field "spec.modelRouteRef.namespace"',
    ),
    Refusal(
        "a Secret of another namespace",
        ROUTE,
        "spec.providers.1.credentials.0.secretKeyRef.namespace",
        "finance",
        'unknown field "spec.providers[1].credentials[0].secretKeyRef.namespace"',
    ),
    Refusal(
        "an API key in plain text",
        POLICY,
        "spec.callers.apiKeys",
        [{"name": "ci", "value": "0123456789abcdef0123456789abcdef"}],
        'unknown field "spec.callers.apiKeys[0].value"',
    ),
    Refusal(
        "a provider's key in plain text",
        ROUTE,
        "spec.providers.1.credentials.0.value",
        "sk-live-0123456789",
        'unknown field "spec.providers[1].credentials[0].value"',
    ),
    Refusal(
        "a provider's key in the URL",
        ROUTE,
        "spec.providers.1.baseURL",
        "https://user:sk-live@api.openai.com/v1",
        "lower-case host, no user, query or fragment",
    ),
    Refusal(
        "the path of another file as the key of a Secret",
        ROUTE,
        "spec.providers.1.credentials.0.secretKeyRef.key",
        "../../serviceaccount/token",
        "must be a key of letters, digits, -, _ and dots",
    ),
    Refusal(
        "a priority class of the system",
        AGENT,
        "spec.workload.priorityClassName",
        "system-node-critical",
        "name a class of your own or leave it out",
    ),
    Refusal(
        "an image of one's own", AGENT, "spec.workload.image", "evil:latest", 'unknown field "spec.workload.image"'
    ),
    Refusal(
        "environment of one's own",
        AGENT,
        "spec.workload.env",
        [{"name": "PYTHONPATH", "value": "/tmp"}],
        'unknown field "spec.workload.env"',
    ),
    Refusal(
        "a host that only looks like another",
        POLICY,
        "spec.models.allow.0.host",
        f"{CYRILLIC_A}pi.openai.com",
        "must be a lower-case host such as api.example.com",
    ),
    Refusal(
        "an issuer with a letter of no width",
        POLICY,
        "spec.callers.oidc",
        [{**OIDC, "issuer": f"https://id.example.com{ZERO_WIDTH}"}],
        "the issuer as its tokens bear it in `iss`",
    ),
    Refusal(
        "a ServiceAccount in invisible letters",
        POLICY,
        "spec.callers.serviceAccounts.0.name",
        TAGS,
        "must be the name of a ServiceAccount such as chat or chat-*",
    ),
    Refusal(
        "an issuer over plain http",
        POLICY,
        "spec.callers.oidc",
        [{**OIDC, "issuer": "http://id.example.com"}],
        "such as https://login.example.com/tenant",
    ),
    Refusal(
        "two key sets, of which a reader sees one",
        POLICY,
        "spec.callers.oidc",
        [{**OIDC, "jwks": {"inline": "{}", "configMapKeyRef": {"name": "keys", "key": "k"}}}],
        "set exactly one of jwks.inline and jwks.configMapKeyRef",
    ),
    Refusal(
        "groups that no claim names",
        POLICY,
        "spec.callers.oidc",
        [{**OIDC, "groups": ["staff"]}],
        "say which with groupsClaim",
    ),
    Refusal("an empty list for nobody", POLICY, "spec.callers.serviceAccounts", [], "should have at least 1 items"),
]


@pytest.fixture(scope="module")
def kubectl(control_plane: Cluster, kubectl_cache: Any) -> Kubectl:
    """In no namespace of its own, since nothing is kept."""
    return Kubectl(control_plane, "default", kubectl_cache)


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: refusal.what.replace(" ", "-"))
def test_the_api_server_refuses_it_and_says_what_to_write(kubectl: Kubectl, refusal: Refusal) -> None:
    manifest = json.dumps(changed(refusal.manifest, refusal.field, refusal.value))
    said = kubectl.refused("create", "--dry-run=server", "--filename", "-", text=manifest)
    assert refusal.words in said, said[-2000:]
    assert "evaluating rule" not in said, "a rule that cannot be evaluated tells a person nothing"
    assert "sk-live-0123456789" not in said
    assert "0123456789abcdef0123456789abcdef" not in said


@dataclass(frozen=True)
class Rejection:
    """What the operator says of an object of a kind: Accepted=False with a reason and words."""

    what: str
    manifest: Object
    reason: str
    words: str


def screening(re2: str) -> Object:
    return {"guardrails": {"input": {"patterns": [{**PATTERN, "re2": re2}]}}}


REJECTED = [
    Rejection("a pattern that looks behind", policy(**screening("(?<=pass)word")), "InvalidPattern", "patterns[0]"),
    Rejection("a pattern that looks back", policy(**screening(r"(a+)\1")), "InvalidPattern", "patterns[0]"),
    Rejection("a pattern that explodes", policy(**screening("((a{100}){100}){100}")), "InvalidPattern", "patterns[0]"),
    Rejection(
        "an expression that asks for what is not there",
        policy(audit={"alerts": [{"name": "a", "when": "secrets.all(s, s.value != '')"}]}),
        "InvalidExpression",
        "alerts",
    ),
    Rejection(
        "an expression of macros within macros",
        policy(audit={"alerts": [{"name": "bomb", "when": BOMB}]}),
        "InvalidExpression",
        "has more than 2 of all, exists, exists_one, map and filter",
    ),
    Rejection(
        "namespaces selected by a namespace's own policy",
        policy(selector={"namespaces": {}}),
        "Invalid",
        "ask the cluster's admins for a floor policy",
    ),
    Rejection(
        "a private key as key set",
        policy(callers={"oidc": [{**OIDC, "jwks": {"inline": PRIVATE}}]}),
        "Invalid",
        "publish the public half alone",
    ),
    Rejection(
        "a key set of no key",
        policy(callers={"oidc": [OIDC]}),
        "Invalid",
        "has no key that can be used: RSA for RS256, or EC on P-256",
    ),
    Rejection(
        "a key set that is nested without end",
        policy(callers={"oidc": [{**OIDC, "jwks": {"inline": "[" * 30_000}}]}),
        "Invalid",
        "is not JSON",
    ),
]


@pytest.mark.parametrize("rejection", REJECTED, ids=lambda rejection: rejection.what.replace(" ", "-"))
def test_the_operator_does_not_accept_it_and_says_what_to_write(
    world: World, operator: RunningOperator, rejection: Rejection
) -> None:
    world.apply(rejection.manifest | {"metadata": {"name": "internal"}})
    assert _not_accepted(world, "agentpolicy", "internal", rejection.reason, rejection.words)


def test_a_floor_policy_with_api_keys_is_not_accepted(world: World, operator: RunningOperator) -> None:
    """It selects nobody, so it stops no agent while it stands."""
    keys = {"apiKeys": [{"name": "ci", "secretKeyRef": {"name": "keys", "key": "ci"}}]}
    abusive = policy("abusive", callers=keys)
    abusive["metadata"]["namespace"] = NAMESPACE
    world.apply(abusive)
    try:
        words = "state apiKeys in a policy of the agents' namespace"
        assert _not_accepted(world, "agentpolicy", "abusive", "Invalid", words, NAMESPACE)
    finally:
        world.delete("agentpolicy", "abusive", namespace=NAMESPACE)


def test_policies_that_leave_nobody_are_a_conflict_of_the_agent(world: World, operator: RunningOperator) -> None:
    lists = [policy(name, selector={}, callers={"serviceAccounts": [{"name": name}]}) for name in ("a", "b")]
    world.apply(route(), *lists)
    for each in lists:
        world.await_ready(each["metadata"]["name"], reason="NoAgentsReferencing", kind="agentpolicy")
    world.apply(agent())
    assert _not_accepted(world, "aiagent", "helper", "PolicyConflict", "Change one of them so that something is left")
    assert world.get("deployment", "helper") is None


def test_an_agent_in_the_place_of_another_s_service_is_not_accepted(world: World, operator: RunningOperator) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "helper"},
        "spec": {"ports": [{"port": 80}]},
    }
    world.apply(service)
    world.apply(route(), agent())
    assert _not_accepted(world, "aiagent", "helper", "NameConflict", "rename the agent, or delete that")


def test_instructions_without_end_are_not_accepted(world: World, operator: RunningOperator) -> None:
    text = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prompts"}, "data": {"p": "a" * 70_000}}
    world.apply(text, route(), agent(instructions={"configMapKeyRef": {"name": "prompts", "key": "p"}}))
    assert _not_accepted(world, "aiagent", "helper", "Invalid", "shorten them to 65536")


def test_a_foreign_host_is_never_local_by_saying_so(world: World, operator: RunningOperator) -> None:
    """What is told is the reference that cannot be used; no pod is started."""
    provider = route()["spec"]["providers"][0] | {"baseURL": "http://models.evil.example/v1"}
    world.apply(route(providers=[provider]), policy(selector={}, models={"localHosts": ["*.evil.example"]}), agent())

    def told() -> bool:
        conditions = (world.get("aiagent", "helper") or {}).get("status", {}).get("conditions", [])
        found = {each["type"]: each for each in conditions}
        assert found.get("ResolvedRefs", {}).get("reason") == "NoProviderAllowed", found
        assert found["Ready"]["status"] == "False"
        return "models.localHosts does not count models.evil.example as local" in found["ResolvedRefs"]["message"]

    assert eventually("it is told", told)
    assert world.get("deployment", "helper") is None


def _not_accepted(world: World, kind: str, name: str, reason: str, words: str, namespace: str | None = None) -> bool:
    def told() -> bool:
        conditions = (world.get(kind, name, namespace) or {}).get("status", {}).get("conditions", [])
        found = {each["type"]: each for each in conditions}
        accepted = found.get("Accepted", {})
        assert (accepted.get("status"), accepted.get("reason")) == ("False", reason), found
        assert found["Ready"]["status"] == "False"
        assert words in accepted["message"], accepted["message"]
        return True

    return bool(eventually(f"{kind} {name} is not accepted", told))
