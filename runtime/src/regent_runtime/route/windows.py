"""Whether a prompt fits into a model's context window: by the estimate, and by its server's own count where that can be
wrong about it.

A window that the route states holds by the estimate alone where no server counts. One of the table keeps no turn away
that might fit, since nobody has chosen it: there the provider has the last word.
"""

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.decision import Decision, Stage
from regent_runtime.prompt import weight
from regent_runtime.record import TurnRecord
from regent_runtime.route.counter import Counter
from regent_runtime.route.witness import Witness
from regent_runtime.wire.formats import format_for
from regent_runtime.wire.parameters import output_cap
from regent_runtime.wire.request import ChatRequest

UNSURE = 3
"""The estimate may be wrong by this factor, either way: docs/reference/tokens.md."""
WINDOW = "capabilities.contextWindow"
COUNTED = "Count"
"""The action of a decision that tells what a provider's server counted."""


def outgrown(provider: ProviderConfig, tokens: int) -> bool:
    """Whether so many tokens, by the estimate, are too many, as far as can be said before its server is asked."""
    can = provider.capabilities
    if can.context_window is None:
        return can.listed_window is not None and tokens > can.listed_window * UNSURE
    return tokens > can.context_window * (UNSURE if can.token_counter else 1)


def of_input(request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> int | None:
    """How many tokens a prompt may have there; None: nobody says. The table's windows hold the answer as well."""
    can = provider.capabilities
    if can.context_window is not None or can.listed_window is None:
        return can.context_window
    return max(1, can.listed_window - output_cap(request, config, provider))


def is_to_be_counted(provider: ProviderConfig, tokens: int) -> bool:
    """Whether its server's count decides."""
    window = provider.capabilities.context_window
    if window is None or provider.capabilities.token_counter is None:
        return False
    return tokens * UNSURE > window and not outgrown(provider, tokens)


async def room(
    config: AgentConfig,
    counter: Counter | None,
    request: ChatRequest,
    provider: ProviderConfig,
    record: TurnRecord,
    trail: Witness,
) -> int | None:
    """How many tokens of this prompt, by the estimate, fit; None: any. Raises Refused (503) as the trail does."""
    window = provider.capabilities.context_window
    tokens = weight.of_prompt(request, config)
    if window is None or counter is None or not is_to_be_counted(provider, tokens):
        return window
    counted = await counter.count(format_for(request, provider).outbound(request, config, provider), trail)
    if counted is None:
        return window
    note(record, WINDOW, provider, counted)
    return max(1, window * tokens // counted)


def note(record: TurnRecord, field: str, provider: ProviderConfig, counted: int) -> None:
    """Write down what was counted, once."""
    made = Decision(Stage.ROUTE, COUNTED, field, reason=f"{provider.name}: {counted} tokens")
    if made not in record.decisions:
        record.decisions.append(made)
