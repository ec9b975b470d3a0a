"""Azure OpenAI: OpenAI's formats at paths of its own, with versions by date that do not know every field."""

from regent_api.config import ProviderConfig
from regent_runtime.wire.request import ChatRequest

REASONING_SINCE = "2024-12-01"
"""The version that brought `reasoning_effort` and the role developer. `verbosity` came with v1."""


def endpoint(provider: ProviderConfig, operation: str) -> str:
    """Where an operation such as /chat/completions lies behind the provider's base URL, whatever its type."""
    azure = provider.azure
    if azure is None:
        return operation
    if azure.api_version is None:
        return f"/openai/v1{operation}"
    return f"/openai/deployments/{azure.deployment}{operation}?api-version={azure.api_version}"


def unsaid(request: ChatRequest, provider: ProviderConfig) -> str | None:
    """The field of Chat Completions that the provider's version does not know; None elsewhere, and for v1."""
    version = provider.azure.api_version if provider.azure else None
    if version is None:
        return None
    if "verbosity" in request.forwarded:
        return "verbosity"
    if version >= REASONING_SINCE:
        return None
    roles = (f"messages[{at}].role" for at, each in enumerate(request.messages) if each["role"] == "developer")
    return next(roles, "reasoning_effort" if "reasoning_effort" in request.forwarded else None)
