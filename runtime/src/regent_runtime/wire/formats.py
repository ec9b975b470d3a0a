"""Which wire format a provider is spoken to in."""

from regent_api.config import ProviderConfig
from regent_api.route import WireApi
from regent_runtime.wire.chat_completions import ChatCompletions
from regent_runtime.wire.format import WireFormat
from regent_runtime.wire.messages import Messages
from regent_runtime.wire.responses import Responses

_FORMATS: dict[WireApi, WireFormat] = {
    WireApi.CHAT_COMPLETIONS: ChatCompletions(),
    WireApi.RESPONSES: Responses(),
    WireApi.MESSAGES: Messages(),
}


def format_of(provider: ProviderConfig) -> WireFormat:
    return _FORMATS[provider.api]
