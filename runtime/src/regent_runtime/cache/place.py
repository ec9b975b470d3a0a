"""Where the answer to a request is kept, and whether it may be.

The place is a digest over all that an answer depends on: the config (agent, instructions, parameters, policy, route),
the label, the candidates of the rule, the caller where answers are each caller's own, and every word of the request.
Two requests that differ in any of it have two places, and nothing is compared but digests.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.policy import CacheScope
from regent_api.types import Opinion
from regent_runtime.access.classes import Treatment
from regent_runtime.callers.caller import Caller
from regent_runtime.state.contract import hashed
from regent_runtime.wire import parameters
from regent_runtime.wire.request import ChatRequest

MOST_TEMPERATURE = 0.3
"""Above it, and where nobody states one, a caller means to get another answer each time."""
_TOOL_FIELDS = frozenset({"tools", "tool_choice"})
_CANONICAL = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True)
class Question:
    """A request that every stage before the attempts has let pass."""

    caller: Caller
    treatment: Treatment
    rule: str
    providers: Sequence[ProviderConfig]
    request: ChatRequest
    """As a model may see it."""
    anonymised: bool
    """Placeholders stand in it, which are each conversation's own."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What the user said last, and a digest over all the rest of a question's place."""

    text: str
    partition: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """`digest` names the place; `seconds`: how long an answer may be kept there."""

    digest: bytes
    owner: str
    """Whose answer it is, for erasure."""
    seconds: float
    meant: Meant | None = None
    """None: only an equal question is answered from here."""


def obstacle(config: AgentConfig, question: Question) -> str:
    """Why no answer to the question may be kept, in a word of this list; empty: it may be."""
    most = config.policy.cache.max_sensitivity
    if most is None or question.treatment.sensitivity > most:
        return "sensitivity"
    if question.anonymised:
        return "anonymised"
    if question.request.images:
        return "images"
    if _uses_tools(question.request):
        return "tools"
    if not all(_is_settled(config, question.request, provider) for provider in question.providers):
        return "temperature"
    return ""


OBSTACLES = ("sensitivity", "anonymised", "images", "tools", "temperature")


def place(config: AgentConfig, config_digest: str, question: Question) -> Place:
    """`config_digest`: of the whole config."""
    asker = question.caller.identity
    request = question.request
    around = (
        config_digest,
        asker if config.policy.cache.scope is CacheScope.CALLER else None,
        question.treatment.sensitivity.value,
        question.rule,
        sorted(provider.name for provider in question.providers),
        request.max_output_tokens,
        request.temperature,
        request.forwarded,
    )
    bounds = (config.policy.cache.ttl_seconds, question.treatment.retention_seconds)
    seconds = min(bound for bound in bounds if bound is not None)
    may_mean = config.policy.cache.semantic is Opinion.ALLOW
    meant = _meant(around, request.messages) if may_mean else None
    return Place(_digest(around, request.messages), owner(question.caller.digest), seconds, meant)


def owner(caller: str) -> str:
    """What the state knows of whose answer it keeps. `caller`: the digest."""
    return hashed("answers", caller)


def _meant(around: Sequence[Any], messages: Sequence[dict[str, Any]]) -> Meant | None:
    *before, last = messages
    if last["role"] != "user" or not isinstance(last["content"], str):
        return None
    return Meant(last["content"], _digest(around, [*before, {**last, "content": None}]))


def _digest(around: Sequence[Any], messages: Sequence[dict[str, Any]]) -> bytes:
    return hashlib.sha256(_CANONICAL.encode((around, messages))).digest()


def _is_settled(config: AgentConfig, request: ChatRequest, provider: ProviderConfig) -> bool:
    asked = parameters.temperature(request, config, provider)
    return asked is not None and asked <= MOST_TEMPERATURE


def _uses_tools(request: ChatRequest) -> bool:
    spoken: Collection[str] = ("user", "assistant", "system", "developer")
    if not _TOOL_FIELDS.isdisjoint(request.forwarded):
        return True
    return any("tool_calls" in message or message["role"] not in spoken for message in request.messages)
