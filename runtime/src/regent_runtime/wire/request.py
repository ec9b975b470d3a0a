"""A request as understood: the one that a turn works on, whatever the dialect of its caller.

What is sent upstream is written anew from it: no byte of the caller's body is passed on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from regent_api.config import AgentConfig
from regent_api.types import Opinion
from regent_runtime.refusals import INSTRUCTIONS_NOT_ALLOWED, Refused
from regent_runtime.wire.images import Image

_NO_TOOLS: frozenset[str] = frozenset()
STRUCTURED = ("response_format", "tools")
"""Of what is forwarded, the fields whose text a model reads."""
INSTRUCTING_ROLES = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """In the words of Chat Completions. `messages` are the caller's, without the agent's instructions.

    Each is a dict of `role`, `content` (a text, or where it has images a list of texts and images) and, where it has
    them, `name`, `tool_calls` (`id`, `name` and `arguments`, a decoded object) and `tool_call_id`. Ids are given anew
    in the order of the calls: no caller's goes on.
    """

    messages: Sequence[dict[str, Any]]
    stream: bool
    include_usage: bool
    max_output_tokens: int | None
    temperature: float | None
    forwarded: dict[str, Any]
    images: Sequence[Image] = ()
    """All that stand in the messages."""
    instructions: str | None = None
    """In the place of the agent's; None: those."""

    def told(self, config: AgentConfig) -> str:
        """The instructions that go before the messages."""
        return config.instructions if self.instructions is None else self.instructions

    def texts(self) -> Iterator[str]:
        """All that the model will read of the caller; of an image its name."""
        for message in self.messages:
            for name, value in message.items():
                if isinstance(value, str):
                    yield value
                elif name == "content":
                    yield from (each if isinstance(each, str) else each.name for each in value)
                else:
                    yield msgspec.json.encode(value).decode()
        yield from self.structured()

    def structured(self) -> Iterator[str]:
        """What a model reads beside instructions and messages: definitions of tools, a schema."""
        for name in STRUCTURED:
            if name in self.forwarded:
                yield msgspec.json.encode(self.forwarded[name]).decode()

    @property
    def has_schema(self) -> bool:
        """Whether the answer is to keep to a JSON schema."""
        return bool(self.forwarded.get("response_format", {}).get("type") == "json_schema")

    def image_field(self) -> str:
        """The first message with an image; empty where none has one."""
        having = (at for at, each in enumerate(self.messages) if not isinstance(each["content"], str))
        return next((f"messages[{at}].content" for at in having), "")

    def tool_field(self) -> str:
        """The first field that needs a model which knows tools; empty where none does."""
        if "tools" in self.forwarded:
            return "tools"
        calls = (f"messages[{at}].tool_calls" for at, each in enumerate(self.messages) if "tool_calls" in each)
        return next(calls, "")

    def offered(self) -> frozenset[str]:
        """Names of the tools that a model may ask the caller to use."""
        if self.forwarded.get("tool_choice") == "none":
            return frozenset()
        tools = self.forwarded.get("tools")
        return frozenset(tool["function"]["name"] for tool in tools) if tools else _NO_TOOLS


def check_instructing(request: ChatRequest, config: AgentConfig) -> None:
    """Raises Refused (400) where the caller instructs the agent and the policy's callers.mayInstruct denies it."""
    if config.policy.callers.may_instruct is Opinion.ALLOW:
        return
    for index, message in enumerate(request.messages):
        if message["role"] in INSTRUCTING_ROLES:
            param = f"messages[{index}].role"
            words = f"`{param}`: the policy lets no caller instruct this agent; say it as the user."
            raise Refused(INSTRUCTIONS_NOT_ALLOWED, words, param=param)
