"""Whole turns over a provider that speaks Responses, and answers with the official package's own types."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai.types.responses import response_create_params
from openai.types.responses.response_input_param import ResponseInputParam
from openai.types.responses.response_text_config_param import ResponseTextConfigParam
from openai.types.shared_params import Reasoning
from pydantic import TypeAdapter

from regent_runtime.route.attempt import BYTES_PER_TOKEN, LEAST_ANSWER_BYTES
from tests.contract.streams import open_stream
from tests.fakes import configs, responses
from tests.fakes.provider import Behaviour, Provider, answers, provider, status, stream_of
from tests.fakes.serving import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREETING = responses.answers_with(responses.response(responses.THOUGHT, responses.said("Hello, ", "world.")))
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


@dataclass
class Pair:
    """An agent whose first provider speaks Responses and whose second speaks Chat Completions."""

    served: Served
    first: Provider
    second: Provider

    def behave(self, first: Behaviour, second: Behaviour | None = None) -> None:
        self.served.forget_standings()
        for fake, behaviour in ((self.first, first), (self.second, second or answers("From the second."))):
            fake.behaviours = [behaviour]
            fake.requests.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with (
        provider() as first,
        provider() as second,
        serving(
            tmp_path_factory.mktemp("pair"),
            configs.document(
                configs.provider_config("first", first.url, api="Responses"),
                configs.provider_config("second", second.url),
            ),
        ) as served,
    ):
        yield Pair(served, first, second)


async def streamed(pair: Pair, **more: Any) -> list[Any]:
    async with open_stream(pair.served, **more) as stream:
        found = []
        while (event := await stream.event()) is not None:
            found.append(event)
        return found


async def test_a_plain_turn(pair: Pair) -> None:
    pair.behave(GREETING)
    code, answer = await pair.served.ask()
    assert code == 200
    assert answer["model"] == "first-model"
    assert answer["choices"] == [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello, world.", "refusal": None},
            "logprobs": None,
        }
    ]
    assert answer["usage"] == USAGE
    assert "hidden thoughts" not in json.dumps(answer)
    assert [each.path for each in pair.first.requests] == ["/v1/responses"]


async def test_a_streamed_turn(pair: Pair) -> None:
    pair.behave(GREETING)
    *events, last = await streamed(pair, stream_options={"include_usage": True})
    assert last == "[DONE]"
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in events[:-1]) == "Hello, world."
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"] == USAGE
    assert "hidden thoughts" not in json.dumps(events)


async def test_what_is_sent_is_what_the_official_types_say(pair: Pair) -> None:
    pair.behave(GREETING)
    schema = {"name": "point", "schema": {"type": "object"}, "strict": True, "description": "A point."}
    await pair.served.ask(
        temperature=0.5,
        top_p=0.5,
        reasoning_effort="low",
        verbosity="low",
        max_completion_tokens=64,
        response_format={"type": "json_schema", "json_schema": schema},
    )
    body = pair.first.requests[0].body
    known = response_create_params.ResponseCreateParamsBase.__annotations__
    assert body.keys() <= known.keys()
    TypeAdapter(ResponseInputParam).validate_python(body["input"], strict=True)
    for name, kind in (("text", ResponseTextConfigParam), ("reasoning", Reasoning)):
        assert TypeAdapter(kind).validate_python(body[name]) == body[name]
    assert body == {
        "model": "first-model",
        "instructions": "Answer in one sentence.",
        "input": [{"role": "user", "content": "Hi"}],
        "max_output_tokens": 64,
        "store": False,
        "temperature": 0.5,
        "top_p": 0.5,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", **schema}},
    }


async def test_instructions_that_come_back_in_every_event_are_no_part_of_the_answers_length(
    pair: Pair, tmp_path: Path
) -> None:
    words = "\N{HIRAGANA LETTER A}" * 50_000
    answer = responses.response(responses.said("Hello."), instructions=words)
    parts = [each.model_dump_json(exclude_unset=True).encode() for each in responses.events(answer, repeated=words)]
    assert sum(map(len, parts)) > LEAST_ANSWER_BYTES + 16 * BYTES_PER_TOKEN
    pair.behave(stream_of(*(b"data: " + each + b"\n\n" for each in parts)))
    document = configs.document(
        configs.provider_config("first", pair.first.url, api="Responses"),
        instructions=words,
        policy={"size": {"maxInputTokens": 1_000_000}},
    )
    async with serving(tmp_path, document) as served, open_stream(served, max_tokens=16) as stream:
        *said, end, done = await stream.rest()
        assert ("".join(said), end, done) == ("Hello.", None, "[DONE]")


@pytest.mark.parametrize(("reason", "told"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
async def test_an_answer_that_is_cut_short_says_so(pair: Pair, reason: str, told: str) -> None:
    pair.behave(responses.answers_with(responses.cut_short(reason, responses.said("Hello"))))
    _, answer = await pair.served.ask()
    assert (answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"]) == ("Hello", told)
    *_, last, done = await streamed(pair)
    assert (last["choices"][0]["finish_reason"], done) == (told, "[DONE]")


async def test_a_refusal_of_the_model_is_passed_on(pair: Pair) -> None:
    pair.behave(responses.answers_with(responses.response(responses.refused("I will not."))))
    _, answer = await pair.served.ask()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": None, "refusal": "I will not."}
    events = await streamed(pair)
    assert "".join(each["choices"][0]["delta"].get("refusal", "") for each in events[:-1]) == "I will not."


FAILING = {
    "a tool call nobody asked for": (responses.answers_with(responses.response(responses.CALL)), "malformed_call"),
    "a failure": (responses.answers_with(responses.failed("server_error")), "server_error"),
    "a rate limit within the answer": (responses.answers_with(responses.failed("rate_limit_exceeded")), "rate_limited"),
    "an end for no known reason": (responses.answers_with(responses.cut_short("steered")), "incomplete"),
    "an answer that still runs": (responses.answers_with(responses.response(status="queued")), "incomplete"),
    "another format": (answers("Hello."), "incomplete"),
    "429": (status(429), "rate_limited"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FAILING)
async def test_what_is_no_answer_falls_back_across_formats(pair: Pair, name: str, stream: bool) -> None:
    behaviour, word = FAILING[name]
    pair.behave(behaviour)
    if stream:
        *events, last = await streamed(pair)
        told = "".join(each["choices"][0]["delta"].get("content", "") for each in events)
        assert last == "[DONE]"
    else:
        _, answer = await pair.served.ask()
        told = answer["choices"][0]["message"]["content"]
    assert told == "From the second."
    outcomes = [(provider, outcome) for provider, outcome, _ in await pair.served.attempts()]
    assert outcomes == [("first", word), ("second", "answered")]


@pytest.mark.parametrize(
    ("then", "word"), [(None, "incomplete"), (responses.error_event("server_error"), "server_error")]
)
async def test_a_stream_that_breaks_off_after_its_first_words_is_never_made_whole(
    pair: Pair, then: Any, word: str
) -> None:
    pair.behave(responses.begins("Hello", then=then))
    events = await streamed(pair)
    assert events[-1]["error"]["code"] == "provider_failed"
    assert "sk-leak" not in json.dumps(events)
    assert (await pair.served.attempts())[-1][:2] == ("first", word)
    assert pair.second.requests == []


async def test_a_field_that_responses_lack_goes_to_who_has_it(pair: Pair) -> None:
    pair.behave(GREETING)
    code, answer = await pair.served.ask(seed=7)
    assert (code, answer["model"]) == (200, "second-model")
    assert pair.first.requests == []
    assert pair.second.requests[0].body["seed"] == 7
    await pair.served.attempts()
    excluded = [each.wire() for each in pair.served.runtime.records[-1].decisions if each.action == "Exclude"]
    assert excluded == [{"stage": "route", "action": "Exclude", "field": "request.seed", "reason": "first"}]


async def test_a_field_that_nobody_has_is_refused_by_name(tmp_path: Path) -> None:
    async with (
        provider(GREETING) as fake,
        serving(tmp_path, configs.document(configs.provider_config("only", fake.url, api="Responses"))) as served,
    ):
        code, answer = await served.ask(stop="END")
        assert (code, answer["error"]["code"], answer["error"]["param"]) == (400, "unsupported_field", "stop")
        assert fake.requests == []
