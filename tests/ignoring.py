"""A pytest plugin that makes the code ignore one field of AgentPolicy, to see whether the tests that are marked with it
fail: `REGENT_IGNORE=size.maxInputTokens pytest -p tests.ignoring ...`; `make enforcement` runs it field by field.

Whatever a policy or a config states of the field is read as its default, or, where every entry of a list must state it,
as a word that says nothing.
"""

import os
from functools import reduce
from typing import Any

import pytest

from regent_api.config import AgentConfig
from regent_api.effective import EffectivePolicy
from regent_api.model import Model
from regent_api.policy import AgentPolicySpec
from regent_operator.plan.lattice import fields
from regent_operator.plan.policy import effective

SAYS_NOTHING: dict[str, dict[str, Any]] = {
    "callers.serviceAccounts.namespace": {"namespace": "*"},
    "callers.serviceAccounts.name": {"name": "*"},
    "callers.oidc.subjects": {"subjects": None},
    "callers.oidc.groups": {"groups": None},
    "callers.oidc.groupsClaim": {"groups_claim": None},
    "callers.apiKeys.groups": {"groups": None},
    "limits.per": {"per": "Agent"},
    "limits.requestsPerMinute": {"requests_per_minute": None},
    "limits.requestsPerHour": {"requests_per_hour": None},
    "limits.maxConcurrentTurns": {"max_concurrent_turns": None},
    "models.allow.host": {"host": "*.svc"},
    "models.allow.models": {"models": None},
    "guardrails.input.patterns.re2": {"re2": r"[^\s\S]"},
    "guardrails.input.patterns.action": {"action": "Audit"},
    "guardrails.output.patterns.re2": {"re2": r"[^\s\S]"},
    "guardrails.output.patterns.action": {"action": "Audit"},
    "approvals.approvers.groups": {"groups": None},
    "approvals.approvers.subjects": {"subjects": None},
    "audit.alerts.when": {"when": "false"},
    "audit.alerts.webhook": {"webhook": None},
}
UNIGNORABLE = ("callers.oidc.issuer", "callers.oidc.audience", "callers.oidc.jwks", "callers.apiKeys.secretKeyRef")
"""Without these an entry is none."""


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ["REGENT_IGNORE"]
    policy_fields = {field.path: field for field in fields()}
    if path.partition(".")[0] in {"selector", "mode"}:
        _after(AgentPolicySpec, lambda spec: _with(spec, tuple(path.split(".")), None))
        return
    if path in policy_fields:
        where = policy_fields[path].effective_where
        default = reduce(getattr, where, effective({}))
        _after(EffectivePolicy, lambda policy: _with(policy, where, default))
    else:
        group = next(field for field in policy_fields.values() if path.startswith(f"{field.path}."))
        where = group.effective_where
        _after(EffectivePolicy, lambda policy: _with(policy, where, _entries(reduce(getattr, where, policy), path)))
    _after(AgentConfig, _config)


def _config(config: AgentConfig) -> AgentConfig:
    """Pydantic builds the policies within a config without asking their own class."""
    blind = EffectivePolicy.model_validate
    shadows = [shadow.model_copy(update={"policy": blind(shadow.policy)}) for shadow in config.shadows]
    return config.model_copy(update={"policy": blind(config.policy), "shadows": shadows})


def _after(model: Any, change: Any) -> None:
    validate = model.model_validate
    model.model_validate = classmethod(lambda _, *given, **more: change(validate(*given, **more)))


def _with(model: Any, where: tuple[str, ...], value: Any) -> Any:
    """The model with one value changed, however deep."""
    name, *rest = where
    if rest:
        inner = getattr(model, name)
        value = None if inner is None else _with(inner, tuple(rest), value)
    return model.model_copy(update={name: value})


def _entries(entries: Any, path: str) -> Any:
    if isinstance(entries, list):
        return [_entries(entry, path) for entry in entries]
    if isinstance(entries, Model):
        return type(entries)(**{**entries.model_dump(), **SAYS_NOTHING[path]})
    return entries
