"""How long an input may be: its body in bytes, its prompt in tokens, before any model's tokenizer has seen it."""

from regent_api.config import AgentConfig
from regent_runtime.prompt import weight
from regent_runtime.refusals import BODY_TOO_LARGE, INPUT_TOO_LONG, Refused
from regent_runtime.wire.request import ChatRequest


def check_bytes(length: int, config: AgentConfig) -> None:
    """Raises Refused (413) for a body longer than the policy's size.maxRequestBytes."""
    most = config.policy.size.max_request_bytes
    if length > most:
        raise Refused(BODY_TOO_LARGE, f"The body is larger than {most} bytes.")


def check_input(request: ChatRequest, config: AgentConfig) -> int:
    """The estimate of instructions and messages. Raises Refused (422) above the policy's size.maxInputTokens.

    Of an agent that shortens its prompts, only where nothing could make this one short enough.
    """
    tokens = weight.of_prompt(request, config)
    most = config.policy.size.max_input_tokens
    if tokens > most and weight.at_least(request, config, tokens) > most:
        raise too_long(tokens, config)
    return tokens


def too_long(tokens: int, config: AgentConfig) -> Refused:
    most = config.policy.size.max_input_tokens
    words = f"The input has about {tokens} tokens with the agent's instructions; at most {most} are let through."
    return Refused(INPUT_TOO_LONG, words, param="messages")
