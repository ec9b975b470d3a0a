"""A request as it will go to a provider, and the bill that it will be written onto."""

from dataclasses import dataclass

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.cost.bill import Bill
from regent_runtime.wire.format import Outbound
from regent_runtime.wire.formats import format_for
from regent_runtime.wire.parameters import output_cap
from regent_runtime.wire.request import ChatRequest


@dataclass(frozen=True)
class Sending:
    outbound: Outbound
    output_cap: int
    """Tokens."""
    bill: Bill


def written(config: AgentConfig, request: ChatRequest, provider: ProviderConfig) -> Sending:
    outbound = format_for(request, provider).outbound(request, config, provider)
    cap = output_cap(request, config, provider)
    return Sending(outbound, cap, Bill(provider, outbound.body, cap, request.images))
