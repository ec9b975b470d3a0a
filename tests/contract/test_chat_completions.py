"""Whole turns over a provider that speaks Chat Completions, and answers with the official package's own types."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from tests.contract.streams import open_stream
from tests.fakes import completions, configs
from tests.fakes.provider import provider
from tests.fakes.serving import serving

ANSWERS: dict[str, tuple[ChatCompletion, dict[str, Any]]] = {
    "words": (completions.said("Hello, world."), {"content": "Hello, world.", "refusal": None}),
    "words that were cut": (completions.said("Hello,", "length"), {"content": "Hello,", "refusal": None}),
    "words that were filtered": (completions.said("Hell", "content_filter"), {"content": "Hell", "refusal": None}),
    "a refusal": (completions.said(None, refusal="I cannot."), {"content": None, "refusal": "I cannot."}),
}
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "0.5", "cacheWrite": "2"}],
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_in_the_official_types_is_told(tmp_path: Path, name: str) -> None:
    given, message = ANSWERS[name]
    finish = given.choices[0].finish_reason
    async with provider(completions.answers_with(given)) as fake:
        priced = configs.document(configs.provider_config("p", fake.url, price=PRICE))
        async with serving(tmp_path, priced) as served:
            code, answer = await served.ask()
            assert code == 200
            (choice,) = answer["choices"]
            assert (choice["message"], choice["finish_reason"]) == ({"role": "assistant", **message}, finish)
            assert answer["usage"] == USAGE
            async with open_stream(served, stream_options={"include_usage": True}) as stream:
                events = []
                while (event := await stream.event()) != "[DONE]":
                    events.append(event)
            *pieces, last = events
            for part, words in message.items():
                said = "".join(each["choices"][0]["delta"].get(part) or "" for each in pieces)
                assert said == (words or ""), part
            assert pieces[-1]["choices"][0]["finish_reason"] == finish
            assert last["usage"] == USAGE
            await served.attempts()
            costs = [record.cost().usd for record in served.runtime.records]
    assert costs == [Decimal("0.000081")] * 2, "5 x 1 + 4 x 0.5 + 2 x 2 + 7 x 10 millionths"
