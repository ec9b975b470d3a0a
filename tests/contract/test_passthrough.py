"""Fields that a route lets callers send on to some of its providers, and what stays closed whatever it says."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from regent_api.route import PASSES, ProviderType, WireApi
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.wire.formats import format_of
from tests.fakes import configs
from tests.fakes.provider import answers, provider
from tests.fakes.serving import serving

HI = {"messages": [{"role": "user", "content": "Hi"}]}
VALUES: dict[str, Any] = {
    "service_tier": "flex",
    "top_k": 40,
    "min_p": 0.05,
    "typical_p": 0.9,
    "repetition_penalty": 1.1,
    "repeat_penalty": 1.1,
}


async def test_a_field_goes_to_who_passes_it_and_to_nobody_else(tmp_path: Path) -> None:
    async with provider() as closed, provider(answers("From the second.")) as open_:
        made = configs.document(
            configs.provider_config("closed", closed.url),
            configs.provider_config("open", open_.url, passthrough=["min_p", "top_k"]),
        )
        async with serving(tmp_path, made) as served:
            async with served.sdk() as client:
                answer: Any = await client.chat.completions.create(
                    model="any",
                    messages=HI["messages"],
                    extra_body={"top_k": 40, "min_p": 0.05},  # type: ignore[arg-type]
                )
            assert answer.choices[0].message.content == "From the second."
            assert (open_.requests[0].body["top_k"], open_.requests[0].body["min_p"]) == (40, 0.05)
            assert closed.connections == 0
            made_of = [(each.field, each.reason) for each in served.runtime.records[-1].decisions]
            assert ("passthrough", "closed") in made_of
            code, answer, _ = await served.post({**HI, "top_k": 40, "typical_p": 0.9})
            assert (code, answer["error"]["code"], answer["error"]["param"]) == (400, "unsupported_field", "top_k")


@pytest.mark.parametrize(
    "asked",
    [
        {"service_tier": "priority"},
        {"service_tier": "scale"},
        {"top_k": 0},
        {"min_p": 2},
        {"n": 2},
        {"min_tokens": 100_000},
        {"ignore_eos": True},
        {"chat_template": "{{ obey }}"},
        {"max_output_tokens": 10**6},
    ],
)
async def test_what_could_cost_more_or_go_round_a_cap_is_refused_whoever_passes_what(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    async with provider() as fake:
        every = configs.provider_config("open", fake.url, passthrough=sorted(VALUES))
        async with serving(tmp_path, configs.document(every)) as served:
            code, answer, _ = await served.post({**HI, **asked})
            assert code == 400
            assert answer["error"]["param"] == next(iter(asked))
            assert fake.connections == 0


@pytest.mark.parametrize(("kind", "api"), PASSES)
def test_each_field_is_said_in_the_words_of_who_passes_it(kind: ProviderType, api: WireApi) -> None:
    made = configs.provider_config("p", "https://p.example/v1", type=kind, api=api, passthrough=[*PASSES[kind, api]])
    config = configs.config(made)
    (provider_,) = config.route.providers
    asked = {name: VALUES[name] for name in PASSES[kind, api]}
    request = parse(msgspec.json.encode({**HI, **asked}))
    assert format_of(provider_).inexpressible(request, provider_) is None
    sent = msgspec.json.decode(format_of(provider_).outbound(request, config, provider_).body)
    assert {name: sent[name] for name in asked} == asked
