"""What a route says that its models can do: turns that ask for more go to others, before anything is sent."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes import configs
from tests.fakes.provider import answers, provider
from tests.fakes.serving import serving

HI = {"messages": [{"role": "user", "content": "How is Rome? " * 20}]}
TOOL = {"type": "function", "function": {"name": "weather"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object"}}}
ASKED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"tools": False}, {"tools": [TOOL]}),
    ({"jsonSchema": False}, {"response_format": SCHEMA}),
    ({"contextWindow": 20}, {}),
]


@pytest.mark.parametrize(("stated", "asked"), ASKED)
async def test_who_cannot_is_left_out_and_the_record_says_why(
    tmp_path: Path, stated: dict[str, Any], asked: dict[str, Any]
) -> None:
    async with provider(answers("From the first.")) as small, provider(answers("From the second.")) as large:
        first = configs.provider_config("first", small.url, capabilities=stated, type="OpenAI")
        document = configs.document(first, configs.provider_config("second", large.url))
        async with serving(tmp_path, document) as served:
            code, answer, _ = await served.post({**HI, **asked})
            assert (code, answer["choices"][0]["message"]["content"]) == (200, "From the second.")
            assert small.connections == 0
            assert await served.attempts() == [("second", "answered", "")]
            made = [each for each in served.runtime.records[-1].decisions if each.action == "Exclude"]
            assert [(each.field, each.reason) for each in made] == [(f"capabilities.{next(iter(stated))}", "first")]


@pytest.mark.parametrize(
    ("stated", "asked", "refusal"),
    [
        (*ASKED[0], (400, "unsupported_field", "tools")),
        (*ASKED[1], (400, "unsupported_field", "response_format")),
        (*ASKED[2], (422, "context_too_long", "messages")),
    ],
)
async def test_where_nobody_can_the_caller_learns_what_was_too_much(
    tmp_path: Path, stated: dict[str, Any], asked: dict[str, Any], refusal: tuple[int, str, str]
) -> None:
    async with provider() as fake:
        document = configs.document(configs.provider_config("only", fake.url, capabilities=stated, type="OpenAI"))
        async with serving(tmp_path, document) as served:
            code, answer, _ = await served.post({**HI, **asked})
            assert (code, answer["error"]["code"], answer["error"]["param"]) == refusal
            assert fake.connections == 0


async def test_a_server_that_cannot_count_its_streams_is_not_asked_to(tmp_path: Path) -> None:
    async with provider() as fake:
        document = configs.document(configs.provider_config("only", fake.url, capabilities={"streamUsage": False}))
        async with serving(tmp_path, document) as served, served.sdk() as client:
            stream = await client.chat.completions.create(model="any", messages=HI["messages"], stream=True)  # type: ignore[call-overload]
            assert [each async for each in stream]
            assert "stream_options" not in fake.requests[0].body
            code, answer, _ = await served.post({**HI, "stream": True, "stream_options": {"include_usage": True}})
            assert (code, answer["error"]["param"]) == (400, "stream_options")
