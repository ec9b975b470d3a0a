"""Policies as a file brings them, and as the API server does: read, judged and met, or told what is wrong."""

from typing import Any

import yaml

from regent_api.objects import AgentPolicy, Invalid, parse
from regent_api.policy import AgentPolicySpec
from regent_operator.plan.acceptance import policy_error
from regent_operator.plan.lattice import opinions_of
from regent_operator.plan.policy import effective
from tests.fuzz.target import Target


def feed(data: bytes) -> None:
    try:
        raw: Any = yaml.load(data, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    spec = raw.get("spec") if isinstance(raw, dict) else None
    read: AgentPolicy | Invalid = parse({"metadata": {"name": "p", "namespace": "demo"}, "spec": spec}, AgentPolicySpec)
    if isinstance(read, Invalid):
        assert read.error
    elif policy_error(read, "regent-system") is None:
        effective(opinions_of(read.spec, "demo/p"))


TARGET = Target(
    feed,
    seeds=(
        b"spec:\n  selector: {}\n  size: {maxRequestBytes: 2048, turnTimeout: 30s}\n  limits: [{per: Caller, requestsPerMinute: 3}]\n",
        b"spec:\n  guardrails:\n    refusal: no\n    input: {injection: {model: Deny, level: Strict}, patterns: [{name: a, re2: 'x+', action: Deny}]}\n",
        b"spec:\n  callers: {serviceAccounts: [{namespace: '*', name: 'a*'}], anonymous: Deny}\n  egress: {hosts: ['*.example.com'], cidrs: [10.0.0.0/8]}\n",
        b"spec:\n  data: {minSensitivity: Internal, classes: {Internal: {aiProcessing: LocalOnly, retention: 7y}}}\n  audit: {retention: 180d}\n",
    ),
    words=(
        b"&a [*a]",
        b"spec: ",
        b"Deny",
        b"!!python/object",
        b"{",
        b"- ",
        b"'(?=x)'",
        b"9" * 30,
        b"1e9",
        b".inf",
        b"2024-01-01",
        b"~",
        b"\n  ",
    ),
)
