"""What a provider cannot do of what a turn asks for: then it is not asked. Its `capabilities` in the route say so."""

from dataclasses import dataclass

from regent_api.config import ProviderConfig
from regent_api.passthrough import PassedField
from regent_api.route import WireApi
from regent_runtime.refusals import CONTEXT_TOO_LONG, UNSUPPORTED_FIELD, Refused
from regent_runtime.route import windows
from regent_runtime.wire import tools_by_schema
from regent_runtime.wire.request import ChatRequest

_PASSED = frozenset(PassedField)


@dataclass(frozen=True)
class Lack:
    """`capability`: what of the provider says so. `refused`: what the caller learns if nobody else is left."""

    capability: str
    refused: Refused


def lack(provider: ProviderConfig, request: ChatRequest, input_tokens: int) -> Lack | None:
    """The first thing that is missing. `input_tokens`: the estimate of the turn's input."""
    can = provider.capabilities
    if not can.tools and (param := request.tool_field()) and not tools_by_schema.is_needed(request, provider):
        return _asked("tools", param)
    if unpassed := passed(request).difference(provider.passthrough):
        return Lack("passthrough", unanswerable(min(unpassed)))
    if request.images and not can.vision:
        return _asked("vision", request.image_field())
    if not can.json_schema and request.has_schema:
        return _asked("jsonSchema", "response_format")
    counts = can.stream_usage or provider.api is not WireApi.CHAT_COMPLETIONS
    if request.stream and request.include_usage and not counts:
        return _asked("streamUsage", "stream_options")
    if windows.outgrown(provider, input_tokens):
        words = f"The input has about {input_tokens} tokens, more than fit into any model that this turn may go to."
        return Lack(windows.WINDOW, Refused(CONTEXT_TOO_LONG, words, param="messages"))
    return None


def passed(request: ChatRequest) -> set[str]:
    """Its fields that a provider must be said to know."""
    return {name for name in request.forwarded if name in _PASSED}


def _asked(capability: str, param: str) -> Lack:
    return Lack(f"capabilities.{capability}", unanswerable(param))


def unanswerable(param: str) -> Refused:
    words = f"`{param}`: no provider that this turn may go to can be asked for that; leave it out or change it."
    return Refused(UNSUPPORTED_FIELD, words, param=param)
