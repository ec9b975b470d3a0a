"""Where the answer to a request is kept, and whether it may be.

The place is a digest over all that an answer depends on: the config (agent, instructions, parameters, policy, route),
the label, the candidates of the rule, the caller where answers are each caller's own, and every word of the request.
Two requests that differ in any of it have two places, and nothing is compared but digests.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.policy import CacheScope
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
class Place:
    """`digest` names the place; `seconds`: how long an answer may be kept there."""

    digest: bytes
    owner: str
    """Whose answer it is, for erasure."""
    seconds: float


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
    meaning = (
        config_digest,
        asker if config.policy.cache.scope is CacheScope.CALLER else None,
        question.treatment.sensitivity.value,
        question.rule,
        sorted(provider.name for provider in question.providers),
        request.messages,
        request.max_output_tokens,
        request.temperature,
        request.forwarded,
    )
    digest = hashlib.sha256(_CANONICAL.encode(meaning)).digest()
    bounds = (config.policy.cache.ttl_seconds, question.treatment.retention_seconds)
    return Place(digest, owner(asker), min(bound for bound in bounds if bound is not None))


def owner(identity: str) -> str:
    """What the state knows of whose answer it keeps."""
    return hashed("answers", identity)


def _is_settled(config: AgentConfig, request: ChatRequest, provider: ProviderConfig) -> bool:
    asked = parameters.temperature(request, config, provider)
    return asked is not None and asked <= MOST_TEMPERATURE


def _uses_tools(request: ChatRequest) -> bool:
    spoken: Collection[str] = ("user", "assistant", "system", "developer")
    if not _TOOL_FIELDS.isdisjoint(request.forwarded):
        return True
    return any("tool_calls" in message or message["role"] not in spoken for message in request.messages)
