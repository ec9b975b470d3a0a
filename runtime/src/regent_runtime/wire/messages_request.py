"""A Chat Completions request in the words of Messages, or the field that it has none for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.wire.images import Content, Image
from regent_runtime.wire.parameters import output_cap, temperature
from regent_runtime.wire.request import INSTRUCTING_ROLES, ChatRequest

HIGHEST_TEMPERATURE = 1.0
_ONE_AT_A_TIME = {"disable_parallel_tool_use": True}


def body(request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> dict[str, Any]:
    """For a request of which nothing is inexpressible."""
    instructing = list(_instructing(request.messages))
    instructions = request.told(config)
    rules = [instructions] if instructions.strip() else []
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
    if "tool_choice" in made:
        choice = {"type": "auto", **made["tool_choice"]}
        made["tool_choice"] = choice if choice["type"] != "none" else {"type": "none"}
    warmth = temperature(request, config, provider)
    if warmth is not None:
        made["temperature"] = min(warmth, HIGHEST_TEMPERATURE)
    if request.stream:
        made["stream"] = True
    return made


def inexpressible(request: ChatRequest) -> str | None:
    """The first field that Messages has no words for, as a refusal names it."""
    unsaid = chain(_unsaid_fields(request.forwarded), _unsaid_messages(request.messages), _unsaid_tools(request))
    return next(unsaid, None)


def _unsaid_fields(forwarded: dict[str, Any]) -> Iterator[str]:
    for name, value in forwarded.items():
        if name not in _FIELDS or _FIELDS[name](value) is None:
            yield name


def _unsaid_messages(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Messages knows no names of speakers, no text of nothing, and no image that is to be looked at less closely. It
    has one place for instructions, before all else; moved there, a later one would rule over what was said before it.
    An assistant's message at the end would be gone on with, word by word, where Chat Completions has it answered.
    """
    speaking = False
    for index, message in enumerate(messages):
        instructs = message["role"] in INSTRUCTING_ROLES
        if instructs and speaking:
            yield f"messages[{index}].role"
        if "name" in message:
            yield f"messages[{index}].name"
        if _is_unsaid(message["content"]) and message["role"] != "tool" and "tool_calls" not in message:
            yield f"messages[{index}].content"
        speaking = speaking or not instructs
    if messages[-1]["role"] not in {"user", "tool"}:
        yield f"messages[{len(messages) - 1}].role"


def _is_unsaid(content: Content) -> bool:
    if isinstance(content, str):
        return not content.strip()
    return any(isinstance(part, Image) and part.detail == "low" for part in content)


def _unsaid_tools(request: ChatRequest) -> Iterator[str]:
    """Calls of the past need the tools that they were for."""
    if "tools" not in request.forwarded:
        yield from ("tools" for message in request.messages if "tool_calls" in message)


def _instructing(messages: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those before anybody speaks."""
    for message in messages:
        if message["role"] not in INSTRUCTING_ROLES:
            return
        yield message


def _turns(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """User and assistant take turns: neighbours of one role become blocks of one message. Results are the user's."""
    return [
        {"role": role, "content": [block for message in neighbours for block in _said(message)]}
        for role, neighbours in groupby(
            messages, key=lambda message: "assistant" if message["role"] == "assistant" else "user"
        )
    ]


def _said(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    said = [content] if isinstance(content, str) else content
    text = [_block(part) for part in said if isinstance(part, Image) or part.strip()]
    if message["role"] == "tool":
        return [{"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": text}]
    calls = message.get("tool_calls", ())
    return text + [
        {"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["arguments"]} for call in calls
    ]


def _blocks(texts: Iterable[str]) -> list[dict[str, Any]]:
    return [_block(text) for text in texts]


def _block(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": part.data}}


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
    stated = value.get("json_schema", {})
    schema, description = stated.get("schema"), stated.get("description")
    if schema is None:
        return None
    if description:
        if "description" in schema:
            return None
        schema = {"description": description, **schema}
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def _tools(value: list[dict[str, Any]]) -> dict[str, Any] | None:
    return {"tools": [_tool(tool["function"]) for tool in value]}


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {name: function[name] for name in ("name", "description") if name in function}
    told["input_schema"] = function.get("parameters", {"type": "object", "properties": {}})
    return {**told, "strict": True} if function.get("strict") else told


def _choice(value: str | dict[str, Any]) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return {"tool_choice": {"type": "tool", "name": value["function"]["name"]}}
    return {"tool_choice": {"type": {"required": "any"}.get(value, value)}}


def _parallel(value: bool) -> dict[str, Any] | None:  # noqa: FBT001 - a field's value
    return {} if value else {"tool_choice": _ONE_AT_A_TIME}


def _only(neutral: Any) -> Callable[[Any], dict[str, Any] | None]:
    """For a field that Messages lacks: the value that asks for nothing needs no words."""
    return lambda value: {} if value == neutral else None


_FIELDS: dict[str, Callable[[Any], dict[str, Any] | None]] = {
    "top_p": lambda value: {"top_p": value},
    "top_k": lambda value: {"top_k": value},
    "stop": _stop,
    "reasoning_effort": _effort,
    "response_format": _format,
    "tools": _tools,
    "tool_choice": _choice,
    "parallel_tool_calls": _parallel,
    "verbosity": _only("medium"),
    "presence_penalty": _only(0),
    "frequency_penalty": _only(0),
}
"""What each forwarded field says in Messages; None, or not here: it has no words for it."""
