"""The header in which each type of provider wants to be shown its key."""

from regent_api.route import ProviderType
from regent_runtime.credentials import CredentialUnusable

_HEADERS = {
    ProviderType.OPENAI: ("Authorization", "Bearer "),
    ProviderType.ANTHROPIC: ("x-api-key", ""),
    ProviderType.AZURE_OPENAI: ("api-key", ""),
}
"""Name, and what stands before the key. Local is not here: such a provider is shown no key."""


def key_header(kind: ProviderType, key: str) -> dict[str, str]:
    """Raises CredentialUnusable for a type that takes none."""
    if kind not in _HEADERS:
        raise CredentialUnusable("credential_not_taken")
    name, before = _HEADERS[kind]
    return {name: before + key}
