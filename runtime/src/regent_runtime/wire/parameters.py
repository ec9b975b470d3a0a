"""Parameters of a request under the caps of everybody who has one: policy, agent, provider, caller."""

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.wire.request import ChatRequest


def output_cap(request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> int:
    """Tokens: the smallest of the policy's, the agent's, the provider's and the request's."""
    policy = config.policy.size.max_output_tokens
    least = _least(policy, config.max_output_tokens, provider.max_output_tokens, request.max_output_tokens)
    return int(least if least is not None else policy)


def temperature(request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> float | None:
    """The smallest of the agent's, the provider's and the request's; None where nobody has one."""
    return _least(request.temperature, config.temperature, provider.temperature)


def _least(*values: float | None) -> float | None:
    least = None
    for value in values:
        if value is not None and (least is None or value < least):
            least = value
    return least
