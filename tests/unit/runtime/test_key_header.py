import pytest

from regent_api.route import ProviderType
from regent_runtime.credentials import CredentialUnusable
from regent_runtime.key_header import key_header


def test_each_type_is_shown_the_key_in_its_own_header() -> None:
    assert key_header(ProviderType.OPENAI, "sk-1") == {"Authorization": "Bearer sk-1"}
    assert key_header(ProviderType.ANTHROPIC, "sk-1") == {"x-api-key": "sk-1"}
    assert key_header(ProviderType.AZURE_OPENAI, "sk-1") == {"api-key": "sk-1"}


def test_a_local_provider_is_shown_no_key() -> None:
    with pytest.raises(CredentialUnusable) as raised:
        key_header(ProviderType.LOCAL, "sk-1")
    assert raised.value.reason == "credential_not_taken"
