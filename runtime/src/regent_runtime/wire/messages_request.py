"""A Chat Completions request in the words of Messages, or the field that it has none for."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.wire.parameters import output_cap, temperature
from regent_runtime.wire.request import INSTRUCTING_ROLES, ChatRequest

HIGHEST_TEMPERATURE = 1.0


def body(request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> dict[str, Any]:
    """For a request of which nothing is inexpressible."""
    instructing = list(_instructing(request.messages))
    rules = [config.instructions] if config.instructions.strip() else []
    rules += [message["content"] for message in instructing]
    made: dict[str, Any] = {
        "model": provider.model,
        "max_tokens": output_cap(request, config, provider),
        "messages": _turns(request.messages[len(instructing) :]),
    }
    if rules:
        made["system"] = _blocks(rules)
    for name, value in request.forwarded.items():
        for field, said in (_FIELDS[name](value) or {}).items():
            made[field] = {**made.get(field, {}), **said} if isinstance(said, dict) else said
    warmth = temperature(request, config, provider)
    if warmth is not None:
        made["temperature"] = min(warmth, HIGHEST_TEMPERATURE)
    if request.stream:
        made["stream"] = True
    return made


def inexpressible(request: ChatRequest) -> str | None:
    """The first field that Messages has no words for, as a refusal names it."""
    return next(chain(_unsaid_fields(request.forwarded), _unsaid_messages(request.messages)), None)


def _unsaid_fields(forwarded: dict[str, Any]) -> Iterator[str]:
    for name, value in forwarded.items():
        if name not in _FIELDS or _FIELDS[name](value) is None:
            yield name


def _unsaid_messages(messages: Sequence[dict[str, str]]) -> Iterator[str]:
    """Messages knows no names of speakers and no text of nothing. It has one place for instructions, before all else;
    moved there, a later one would rule over what was said before it. An assistant's message at the end would be gone
    on with, word by word, where Chat Completions has it answered.
    """
    speaking = False
    for index, message in enumerate(messages):
        instructs = message["role"] in INSTRUCTING_ROLES
        if instructs and speaking:
            yield f"messages[{index}].role"
        if "name" in message:
            yield f"messages[{index}].name"
        if not message["content"].strip():
            yield f"messages[{index}].content"
        speaking = speaking or not instructs
    if messages[-1]["role"] != "user":
        yield f"messages[{len(messages) - 1}].role"


def _instructing(messages: Sequence[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Those before anybody speaks."""
    for message in messages:
        if message["role"] not in INSTRUCTING_ROLES:
            return
        yield message


def _turns(messages: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """User and assistant take turns: neighbours of one role become blocks of one message."""
    return [
        {"role": role, "content": _blocks(message["content"] for message in neighbours)}
        for role, neighbours in groupby(messages, key=lambda message: message["role"])
    ]


def _blocks(texts: Any) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


def _stop(value: str | list[str]) -> dict[str, Any] | None:
    """It takes no sequence of blanks alone."""
    sequences = [value] if isinstance(value, str) else value
    if not sequences:
        return {}
    return {"stop_sequences": sequences} if all(each.strip() for each in sequences) else None


def _effort(value: str) -> dict[str, Any] | None:
    if value == "none":
        return {"thinking": {"type": "disabled"}}
    return {"output_config": {"effort": value}} if value in {"low", "medium", "high", "xhigh"} else None


def _format(value: dict[str, Any]) -> dict[str, Any] | None:
    """A schema, which Messages holds an answer to whether or not `strict` asks for it; JSON without one it cannot say.

    The schema's name is an identifier that nobody reads.
    """
    stated = value.get("json_schema")
    if value.get("type") != "json_schema" or not isinstance(stated, dict) or set(value) != {"type", "json_schema"}:
        return None
    schema, description = stated.get("schema"), stated.get("description")
    if not isinstance(schema, dict) or not set(stated) <= {"name", "description", "schema", "strict"}:
        return None
    if description:
        if "description" in schema:
            return None
        schema = {"description": description, **schema}
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def _only(neutral: Any) -> Callable[[Any], dict[str, Any] | None]:
    """For a field that Messages lacks: the value that asks for nothing needs no words."""
    return lambda value: {} if value == neutral else None


_FIELDS: dict[str, Callable[[Any], dict[str, Any] | None]] = {
    "top_p": lambda value: {"top_p": value},
    "stop": _stop,
    "reasoning_effort": _effort,
    "response_format": _format,
    "verbosity": _only("medium"),
    "presence_penalty": _only(0),
    "frequency_penalty": _only(0),
}
"""What each forwarded field says in Messages; None, or not here: it has no words for it."""
