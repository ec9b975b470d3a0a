"""Which wire format a provider is spoken to in."""

from regent_api.config import ProviderConfig
from regent_api.route import WireApi
from regent_runtime.wire.chat_completions import ChatCompletions
from regent_runtime.wire.format import WireFormat
from regent_runtime.wire.messages import Messages
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.responses import Responses
from regent_runtime.wire.tools_by_schema import ToolsBySchema, is_needed

_FORMATS: dict[WireApi, WireFormat] = {
    WireApi.CHAT_COMPLETIONS: ChatCompletions(),
    WireApi.RESPONSES: Responses(),
    WireApi.MESSAGES: Messages(),
}


def format_of(provider: ProviderConfig) -> WireFormat:
    return _FORMATS[provider.api]


def format_for(request: ChatRequest, provider: ProviderConfig) -> WireFormat:
    """In which this request is told to the provider, and its answer read."""
    spoken = format_of(provider)
    return ToolsBySchema(spoken, request) if is_needed(request, provider) else spoken
