import json
from typing import Any

import pytest

from regent_api.config import ProviderConfig
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.wire.chat_completions import ChatCompletions
from regent_runtime.wire.format import WireFormat
from regent_runtime.wire.responses import Responses
from tests.fakes import configs

FORMATS: dict[str, WireFormat] = {"ChatCompletions": ChatCompletions(), "Responses": Responses()}


def request(**more: Any) -> Any:
    return parse(json.dumps({"messages": [{"role": "user", "content": "Hi"}], **more}).encode())


def config_of(api: str = "ChatCompletions", version: str | None = None) -> Any:
    azure = {"deployment": "chat"} | ({"apiVersion": version} if version else {})
    url = "https://acme.openai.azure.com"
    return configs.config(configs.provider_config("p", url, type="AzureOpenAI", api=api, azure=azure))


def provider(version: str | None = None) -> ProviderConfig:
    return config_of(version=version).route.providers[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("api", "version", "path"),
    [
        ("ChatCompletions", None, "/openai/v1/chat/completions"),
        ("Responses", None, "/openai/v1/responses"),
        ("ChatCompletions", "2024-10-21", "/openai/deployments/chat/chat/completions?api-version=2024-10-21"),
    ],
)
def test_a_request_goes_to_the_deployment(api: str, version: str | None, path: str) -> None:
    config = config_of(api, version)
    outbound = FORMATS[api].outbound(request(), config, config.route.providers[0])
    assert (outbound.path, json.loads(outbound.body)["model"]) == (path, "chat")


def test_the_cap_has_the_name_that_reasoning_models_take() -> None:
    config = config_of()
    assert json.loads(FORMATS["ChatCompletions"].outbound(request(), config, config.route.providers[0]).body) == {
        "model": "chat",
        "messages": [{"role": "system", "content": "Answer in one sentence."}, {"role": "user", "content": "Hi"}],
        "max_completion_tokens": 1024,
    }


DEVELOPER = [{"role": "user", "content": "Hi"}, {"role": "developer", "content": "Be brief."}]


@pytest.mark.parametrize(
    ("asked", "version", "field"),
    [
        ({"verbosity": "low"}, None, None),
        ({"verbosity": "low"}, "2025-04-01-preview", "verbosity"),
        ({"reasoning_effort": "low"}, None, None),
        ({"reasoning_effort": "low"}, "2024-12-01-preview", None),
        ({"reasoning_effort": "low"}, "2024-10-21", "reasoning_effort"),
        ({"messages": DEVELOPER}, "2024-12-01-preview", None),
        ({"messages": DEVELOPER}, "2024-10-21", "messages[1].role"),
        ({"seed": 7, "stop": "END", "response_format": {"type": "json_object"}}, "2024-10-21", None),
    ],
)
def test_what_a_version_does_not_know_is_not_asked_of_it(
    asked: dict[str, Any], version: str | None, field: str | None
) -> None:
    assert FORMATS["ChatCompletions"].inexpressible(request(**asked), provider(version)) == field
