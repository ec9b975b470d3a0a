"""How many tokens a prompt has, by the estimate, and how many of them are never taken out."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from regent_api.config import AgentConfig
from regent_runtime.limits.estimate import TOKENS_PER_MESSAGE, estimate
from regent_runtime.prompt.exchanges import exchanges
from regent_runtime.wire import images
from regent_runtime.wire.request import ChatRequest


def of_texts(texts: Iterable[str]) -> int:
    return sum(map(estimate, texts))


def of_message(message: dict[str, Any]) -> int:
    tokens = TOKENS_PER_MESSAGE
    for name, value in message.items():
        if name == "role":
            tokens += _of_own(value)
        elif name == "content":
            tokens += estimate(value) if isinstance(value, str) else _of_parts(value)
        else:
            tokens += estimate(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return tokens


def _of_parts(parts: Iterable[str | images.Image]) -> int:
    return sum(estimate(part) if isinstance(part, str) else part.estimate for part in parts)


@lru_cache(maxsize=64)
def _of_own(text: str) -> int:
    """Of the agent's own instructions, and of roles, which come with every turn. Nothing of a caller's is kept."""
    return estimate(text)


def of_messages(messages: Iterable[dict[str, Any]]) -> int:
    return sum(map(of_message, messages))


def of_fixed(request: ChatRequest, instructions: str) -> int:
    """Of all but the messages."""
    return estimate(instructions) + TOKENS_PER_MESSAGE + of_texts(request.structured())


def of_prompt(request: ChatRequest, config: AgentConfig) -> int:
    told = _of_own(config.instructions) if request.instructions is None else estimate(request.instructions)
    return told + TOKENS_PER_MESSAGE + of_texts(request.structured()) + of_messages(request.messages)


def at_least(request: ChatRequest, config: AgentConfig, tokens: int) -> int:
    """What is never taken out: the shortest instructions, messages that instruct, the last exchange.

    Of an agent that does not shorten its prompts all, which is `tokens`.
    """
    if not config.prompt.shortens:
        return tokens
    variants = (config.instructions, config.prompt.short_instructions or config.instructions)
    instructing, history = exchanges(request.messages)
    kept = [*instructing, *(history[-1].messages if history else ())]
    return min(of_fixed(request, each) for each in variants) + of_messages(kept)
