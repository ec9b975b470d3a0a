"""In which order those who may see a turn are asked: the first is primary, the rest are fallbacks.

Drawing is weighted rendezvous hashing (Efraimidis and Spirakis' keys from a hash of turn and provider): no state, the
same in every pod, and a provider that comes or goes moves only the turns that are its share.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b

from regent_api.config import AgentConfig, ProviderConfig, RuleConfig
from regent_api.route import Strategy
from regent_runtime.cost.price import most
from regent_runtime.record import TurnRecord
from regent_runtime.route.latency import Measured, fastest_first
from regent_runtime.wire.images import words
from regent_runtime.wire.parameters import output_cap
from regent_runtime.wire.request import ChatRequest


def in_order(
    config: AgentConfig,
    rule: RuleConfig,
    allowed: Sequence[ProviderConfig],
    request: ChatRequest,
    record: TurnRecord,
    known: Mapping[str, Measured],
) -> Sequence[ProviderConfig]:
    """All that are allowed. `record`: of the turn, which knows its conversation and how long its input is. `known`:
    how the providers stand, by name.
    """
    match rule.strategy:
        case Strategy.ORDERED:
            return allowed
        case Strategy.WEIGHTED:
            return _drawn(rule, allowed, record.conversation or record.id)
        case Strategy.STICKY:
            return _drawn(rule, allowed, record.conversation or _beginning(request))
        case Strategy.LEAST_COST:
            return sorted(allowed, key=lambda provider: _cost(config, provider, request, record.input_estimate))
        case Strategy.LEAST_LATENCY:
            return fastest_first(allowed, known, record.id, stream=request.stream)


def _drawn(rule: RuleConfig, allowed: Sequence[ProviderConfig], key: str) -> Sequence[ProviderConfig]:
    return sorted(allowed, key=lambda provider: _wait(key, provider.name, rule.weights.get(provider.name, 1)))


def _wait(key: str, name: str, weight: int) -> float:
    """Exponentially distributed with the weight as its rate: the least of several is each one's by its share."""
    hashed = int.from_bytes(blake2b(f"{key}\0{name}".encode(), digest_size=8).digest())
    return -math.log((hashed + 1) / 2**64) / weight


def _cost(config: AgentConfig, provider: ProviderConfig, request: ChatRequest, input_tokens: int) -> Decimal:
    """USD for the turn if its answer is as long as it may be; endless where nobody knows."""
    if provider.price is None:
        return Decimal("Infinity")
    return most(provider.price, input_tokens, output_cap(request, config, provider))


def _beginning(request: ChatRequest) -> str:
    """What later turns of the same talk repeat."""
    return words(request.messages[0]["content"]) if request.messages else ""
