"""In which order those who may see a turn are asked: the first is primary, the rest are fallbacks.

Drawing is weighted rendezvous hashing (Efraimidis and Spirakis' keys from a hash of turn and provider): no state, the
same in every pod, and a provider that comes or goes moves only the turns that are its share.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b

from regent_api.config import ProviderConfig, RuleConfig
from regent_api.route import Strategy
from regent_runtime.wire.request import ChatRequest


def in_order(
    rule: RuleConfig, allowed: Sequence[ProviderConfig], request: ChatRequest, conversation: str, turn: str
) -> Sequence[ProviderConfig]:
    """`conversation`: its id, empty for none; `turn`: the turn's id."""
    match rule.strategy:
        case Strategy.ORDERED:
            return allowed
        case Strategy.WEIGHTED:
            return _drawn(rule, allowed, conversation or turn)
        case Strategy.STICKY:
            return _drawn(rule, allowed, conversation or _beginning(request))


def _drawn(rule: RuleConfig, allowed: Sequence[ProviderConfig], key: str) -> Sequence[ProviderConfig]:
    return sorted(allowed, key=lambda provider: _wait(key, provider.name, rule.weights.get(provider.name, 1)))


def _wait(key: str, name: str, weight: int) -> float:
    """Exponentially distributed with the weight as its rate: the least of several is each one's by its share."""
    hashed = int.from_bytes(blake2b(f"{key}\0{name}".encode(), digest_size=8).digest())
    return -math.log((hashed + 1) / 2**64) / weight


def _beginning(request: ChatRequest) -> str:
    """What later turns of the same talk repeat."""
    return request.messages[0]["content"] if request.messages else ""
