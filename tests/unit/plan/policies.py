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

callers = st.fixed_dictionaries(
    {},
    optional={
        "serviceAccounts": st.lists(grants, min_size=1, max_size=3),
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
data = st.fixed_dictionaries({}, optional={"minSensitivity": st.sampled_from(SENSITIVITIES)})
egress = st.fixed_dictionaries({}, optional={"hosts": some(HOST_PATTERNS), "cidrs": some(CIDRS)})

specs = st.fixed_dictionaries(
    {}, optional={"callers": callers, "size": size, "models": models, "data": data, "egress": egress}
).map(AgentPolicySpec.model_validate)
