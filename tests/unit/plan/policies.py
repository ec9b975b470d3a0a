"""Random policies and random requests, for the laws of the lattice."""

from typing import Any

from hypothesis import strategies as st

from regent_api.policy import AgentPolicySpec

NAMESPACES = ("acme", "blue", "core")
NAMES = ("front", "back", "front-end")
HOSTS = ("api.openai.com", "eu.api.openai.com", "llm.models.svc", "other.test")
HOST_PATTERNS = (*HOSTS, "*.openai.com", "*.svc", "*.models.svc", "*.test")
MODELS = ("gpt-5", "gpt-5-mini", "smollm2")
ADDRESSES = ("10.1.2.3", "8.8.8.8", "192.168.1.1", "2606:4700::1111", "fd00::1")
CIDRS = ("10.0.0.0/8", "10.1.0.0/16", "8.8.0.0/16", "0.0.0.0/0", "2606::/16", "fd00::/8")
SENSITIVITIES = ("Public", "Internal", "Confidential", "Restricted")
OPINIONS = ("Allow", "Deny")
AMOUNTS = ("0", "9", "10", "10.0", "0.5", "0.50")


def some(values: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


grants = st.fixed_dictionaries(
    {"name": st.sampled_from((*NAMES, "*", "front*"))}, optional={"namespace": st.sampled_from((*NAMESPACES, "*"))}
)
allowed = st.fixed_dictionaries(
    {"host": st.sampled_from(HOST_PATTERNS)}, optional={"models": some((*MODELS, "gpt-*", "*"))}
)
selectors = st.fixed_dictionaries({"matchLabels": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))})
peers = st.fixed_dictionaries({"namespaceSelector": selectors}, optional={"podSelector": selectors})

GROUPS = ("support", "leads", "lawyers")
ISSUERS = ("https://one.test", "https://two.test")
KEY_SETS = ('{"keys":[1]}', '{"keys":[2]}')
KEYS = ("k", "l")
groups = st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True)
oidc = st.fixed_dictionaries(
    {
        "issuer": st.sampled_from(ISSUERS),
        "audience": st.sampled_from(("helper", "other")),
        "jwks": st.fixed_dictionaries({"inline": st.sampled_from(KEY_SETS)}),
    },
    optional={"subjects": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)},
).flatmap(lambda grant: st.sampled_from((grant, {**grant, "groupsClaim": "groups", "groups": ["support", "leads"]})))
api_keys = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "secretKeyRef": st.fixed_dictionaries({"name": st.just("keys"), "key": st.sampled_from(KEYS)}),
    },
    optional={"groups": groups},
)

callers = st.fixed_dictionaries(
    {},
    optional={
        "serviceAccounts": st.lists(grants, min_size=1, max_size=3),
        "oidc": st.lists(oidc, min_size=1, max_size=2),
        "apiKeys": st.lists(api_keys, min_size=1, max_size=2, unique_by=lambda grant: grant["name"]),
        "anonymous": st.sampled_from(OPINIONS),
        "mayInstruct": st.sampled_from(OPINIONS),
        "ingressFrom": st.lists(peers, min_size=1, max_size=2),
    },
)
size = st.fixed_dictionaries(
    {},
    optional={
        "maxRequestBytes": st.integers(1024, 4096),
        "maxInputTokens": st.integers(16, 64),
        "maxOutputTokens": st.integers(1, 64),
        "turnTimeout": st.sampled_from(("30s", "500ms", "1m30s", "90s", "1h")),
    },
)
models = st.fixed_dictionaries(
    {},
    optional={
        "allow": st.lists(allowed, min_size=1, max_size=3),
        "localHosts": some(HOST_PATTERNS),
        "localAtOrAbove": st.sampled_from(SENSITIVITIES),
    },
)
SCREEN = ("Audit", "Deny")
REWRITE = ("Audit", "Redact", "Deny")
DETECTORS = ("Email", "Phone", "Card", "IBAN", "NationalID", "IPAddress")
PROCESSING = ("Allowed", "AllowedWithApproval", "LocalOnly", "Forbidden")


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def one(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def named(actions: tuple[str, ...]) -> st.SearchStrategy[list[dict[str, str]]]:
    entry = st.fixed_dictionaries(
        {"name": one("a", "b"), "re2": one("x+", "secret"), "action": st.sampled_from(actions)}
    )
    return st.lists(entry, min_size=1, max_size=2, unique_by=lambda pattern: pattern["name"])


limits = st.lists(
    st.fixed_dictionaries({"per": one("Caller", "Agent"), "requestsPerMinute": st.integers(1, 5)}),
    min_size=1,
    max_size=2,
)
guardrails = maybe(
    input=maybe(
        injection=maybe(patterns=one(*SCREEN), model=one(*SCREEN), level=one("Strict", "Balanced", "Lenient")),
        specialTokens=one("Escape", "Deny"),
        images=one(*OPINIONS),
        patterns=named(SCREEN),
    ),
    output=maybe(
        streaming=one("Window", "Buffer"),
        personalData=maybe(action=one(*REWRITE), detectors=st.lists(one(*DETECTORS), min_size=1, unique=True)),
        secrets=one(*REWRITE),
        instructionsLeak=one(*SCREEN),
        links=maybe(allow=some(HOST_PATTERNS), images=one("Strip", "Deny")),
        patterns=named(REWRITE),
    ),
    refusal=one("No.", "Not here."),
)
data_class = maybe(aiProcessing=one(*PROCESSING), retention=one("24h", "30d", "1y"), anonymize=st.booleans())
data = maybe(
    minSensitivity=one(*SENSITIVITIES),
    unlabelled=one(*SENSITIVITIES),
    classes=st.dictionaries(st.sampled_from(SENSITIVITIES), data_class),
    personalData=maybe(raisesTo=one(*SENSITIVITIES), readers=some(GROUPS)),
)
approvals = maybe(
    approvers=st.one_of(
        st.fixed_dictionaries({"groups": some(GROUPS)}), st.fixed_dictionaries({"subjects": some(NAMES)})
    ),
    ttl=one("5m", "15m", "900s"),
    fourEyes=st.booleans(),
)
audit = maybe(
    durability=one("Pod", "Collector"),
    content=one("None", "Encrypted"),
    retention=one("30d", "1y"),
    onFailure=one("Continue", "Deny"),
    alerts=st.just([{"name": "denied", "when": "record.decision == 'Deny'"}]),
)
egress = st.fixed_dictionaries({}, optional={"hosts": some(HOST_PATTERNS), "cidrs": some(CIDRS)})

specs = maybe(
    callers=callers,
    size=size,
    limits=limits,
    budget=maybe(
        perConversationUsd=one(*AMOUNTS),
        perDayUsd=one(*AMOUNTS),
        perMonthUsd=one(*AMOUNTS),
        onExceeded=one("Deny", "Downgrade"),
        alertAtPercent=some([50, 80, 95]),
    ),
    cache=maybe(
        maxSensitivity=one(*SENSITIVITIES),
        ttl=one("30m", "1h", "90s"),
        semantic=one(*OPINIONS),
        minSimilarity=one(0.8, 0.9),
        scope=one("Caller", "Agent"),
    ),
    models=models,
    guardrails=guardrails,
    data=data,
    approvals=approvals,
    egress=egress,
    audit=audit,
    onStateError=one("Deny", "Local"),
).map(AgentPolicySpec.model_validate)
