"""How long an input may be, in tokens, before any model's tokenizer has seen it.

An estimate, since each provider counts with a tokenizer of its own. It is computed from counts of character classes,
so it costs microseconds a kilobyte; docs/reference/tokens.md has its calibration.
"""

import string

from regent_api.config import AgentConfig
from regent_runtime.refusals import INPUT_TOO_LONG, Refused
from regent_runtime.wire.openai_chat import ChatRequest

TOKENS_PER_MESSAGE = 4
"""The role and the marks around a message in common chat templates."""
TOKENS_PER_LETTER = 0.22
TOKENS_PER_DIGIT = 1.0
TOKENS_PER_OTHER_ASCII = 0.5
TOKENS_PER_HIGH_BYTE = 0.5

_LETTERS = string.ascii_letters.encode() + b" "
_DIGITS = string.digits.encode()
_ASCII = bytes(range(128))


def check_input(request: ChatRequest, config: AgentConfig) -> int:
    """The estimate of instructions and messages. Raises Refused (422) above the policy's size.maxInputTokens."""
    texts = [config.instructions, *request.texts()]
    tokens = estimate("\n".join(texts)) + TOKENS_PER_MESSAGE * (1 + len(request.messages))
    most = config.policy.size.max_input_tokens
    if tokens > most:
        words = f"The input has about {tokens} tokens with the agent's instructions; at most {most} are let through."
        raise Refused(INPUT_TOO_LONG, words, param="messages")
    return tokens


def estimate(text: str) -> int:
    """Tokens of a text."""
    raw = text.encode()
    letters = len(raw) - len(raw.translate(None, _LETTERS))
    digits = len(raw) - len(raw.translate(None, _DIGITS))
    high = len(raw.translate(None, _ASCII))
    others = len(raw) - letters - digits - high
    return round(
        letters * TOKENS_PER_LETTER
        + digits * TOKENS_PER_DIGIT
        + others * TOKENS_PER_OTHER_ASCII
        + high * TOKENS_PER_HIGH_BYTE
    )
