import json
from typing import Any

import pytest

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.wire.parameters import output_cap
from tests.enforces import enforces
from tests.fakes import configs


def request(**more: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "Hi"}], **more}
    return parse(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("policy", "agent", "provider", "asked", "cap"),
    [
        (100, None, None, {}, 100),
        (100, 50, None, {}, 50),
        (100, 50, 20, {}, 20),
        (100, 50, 20, {"max_tokens": 10}, 10),
        (100, 50, 20, {"max_completion_tokens": 10}, 10),
        (100, 50, 20, {"max_tokens": 10, "max_completion_tokens": 5}, 5),
        (100, None, None, {"max_tokens": 1000}, 100),
    ],
)
@enforces("size.maxOutputTokens")
def test_the_smallest_output_cap_holds(
    policy: int, agent: int | None, provider: int | None, asked: dict[str, int], cap: int
) -> None:
    wide = {"maxOutputTokens": provider} if provider else {}
    narrow = {"maxOutputTokens": agent} if agent else {}
    config = configs.config(
        configs.provider_config("p", "http://127.0.0.1/v1", **wide),
        policy={"size": {"maxOutputTokens": policy}},
        **narrow,
    )
    assert output_cap(request(**asked), config, config.route.providers[0]) == cap
