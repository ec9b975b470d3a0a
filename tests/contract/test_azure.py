"""Whole turns over Azure OpenAI: its paths, its key's header, and its filters, beside its own official client."""

import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.contract.streams import open_stream
from tests.fakes import configs, responses
from tests.fakes.provider import (
    Behaviour,
    Provider,
    answers,
    chunk,
    completion,
    json_answer,
    provider,
    status,
    stream_of,
)
from tests.fakes.resolver import loopback
from tests.fakes.serving import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "azure-key-1234"
DATED = "2024-10-21"
SAFE = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
HATE = {"hate": {"filtered": True, "severity": "high"}}


def filtered(**error: Any) -> dict[str, Any]:
    """What Azure answers to a prompt that its filter stops."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": HATE}
    return {
        "error": {
            "message": "The response was filtered; sk-leak",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": inner,
            **error,
        }
    }


def prompt_results() -> bytes:
    """The first event of every stream."""
    results = [{"prompt_index": 0, "content_filter_results": SAFE}]
    event = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": results}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def annotation(offset: int) -> bytes:
    """What an asynchronous filter says of text that was sent before; it has no delta."""
    at = {"check_offset": offset, "start_offset": offset, "end_offset": offset + 9}
    choice = {"index": 0, "finish_reason": None, "content_filter_results": SAFE, "content_filter_offsets": at}
    event = {"id": "", "object": "", "created": 0, "model": "", "choices": [choice], "usage": None}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


@dataclass
class Cloud:
    """An agent with a dated deployment, one on the v1 surface, one that speaks Responses, and another provider."""

    served: Served
    azure: Provider
    second: Provider

    def behave(self, behaviour: Behaviour) -> None:
        for fake, each in ((self.azure, behaviour), (self.second, answers("From the second."))):
            fake.behaviours = [each]
            fake.requests.clear()

    async def ask(self, rule: str = "Public", **more: Any) -> tuple[int, dict[str, Any]]:
        body = {"messages": [{"role": "user", "content": "Hi"}], **more}
        code, answer, _ = await self.served.post(body, headers={"X-Regent-Sensitivity": rule})
        return code, answer


RULES = {"Public": "dated", "Internal": "v1", "Confidential": "answers"}
"""The label of a turn chooses the provider."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", loopback)
        async with (
            provider() as azure,
            provider() as second,
            serving(tmp_path_factory.mktemp("azure"), document(azure, second)) as served,
        ):
            served.secret("azure", key=KEY, hosts="azure.demo.svc")
            yield Cloud(served, azure, second)


def document(azure: Provider, second: Provider) -> dict[str, Any]:
    def at(name: str, **more: Any) -> dict[str, Any]:
        return configs.provider_config(
            name,
            f"http://azure.demo.svc:{azure.port}",
            type="AzureOpenAI",
            model="gpt-5-mini",
            credentials=[{"name": "main", "secret": "azure", "key": "key"}],
            **more,
        )

    rules = [{"name": name, "atLeast": label, "providers": [name, "second"]} for label, name in reversed(RULES.items())]
    return configs.document(
        at("dated", azure={"deployment": "chat", "apiVersion": DATED}),
        at("v1", azure={"deployment": "chat"}),
        at("answers", api="Responses", azure={"deployment": "chat"}),
        configs.provider_config("second", second.url),
        sensitivity="Public",
        route={"rules": rules},
        policy={"data": {"minSensitivity": "Public"}, "models": {"localAtOrAbove": "Restricted"}},
    )


async def test_the_path_and_the_key_are_those_of_the_official_client(cloud: Cloud) -> None:
    cloud.behave(answers("Hello."))
    assert (await cloud.ask())[0] == 200
    endpoint = f"http://127.0.0.1:{cloud.azure.port}"
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=endpoint, api_version=DATED, api_key=KEY, max_retries=0
    ) as official:
        await official.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}])
    ours, theirs = cloud.azure.requests
    assert ours.path == theirs.path == f"/openai/deployments/chat/chat/completions?api-version={DATED}"
    assert ours.headers["api-key"] == theirs.headers["api-key"] == KEY
    assert "authorization" not in ours.headers


@pytest.mark.parametrize(("label", "operation"), [("Internal", "chat/completions"), ("Confidential", "responses")])
async def test_the_v1_surface_is_where_the_official_client_finds_it(cloud: Cloud, label: str, operation: str) -> None:
    answer = responses.answers_with(responses.response(responses.said("Hello.")))
    cloud.behave(answer if operation == "responses" else answers("Hello."))
    code, told = await cloud.ask(label)
    assert (code, told["choices"][0]["message"]["content"]) == (200, "Hello.")
    base = f"http://127.0.0.1:{cloud.azure.port}/openai/v1/"
    async with openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=0) as official:
        if operation == "responses":
            await official.responses.create(model="chat", input="Hi")
        else:
            await official.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}])
    ours, theirs = cloud.azure.requests
    assert ours.path == theirs.path == f"/openai/v1/{operation}"
    assert ours.body["model"] == theirs.body["model"] == "chat"
    assert ours.headers["api-key"] == KEY


async def test_the_caller_sees_the_model_of_the_route(cloud: Cloud) -> None:
    cloud.behave(answers("Hello."))
    assert (await cloud.ask())[1]["model"] == "gpt-5-mini"


async def test_what_the_filter_notes_on_the_way_is_no_part_of_the_answer(cloud: Cloud) -> None:
    cloud.behave(
        stream_of(
            prompt_results(),
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hello, "}),
            annotation(44),
            chunk({"content": "world."}),
            chunk({}, "stop"),
            annotation(58),
            b"data: [DONE]\n\n",
        )
    )
    async with open_stream(cloud.served) as stream:
        *said, end, done = await stream.rest()
        assert ("".join(said), end, done) == ("Hello, world.", None, "[DONE]")


async def test_an_answer_that_the_filter_cuts_says_so(cloud: Cloud) -> None:
    cloud.behave(json_answer(completion("Hello", finish_reason="content_filter", prompt_filter_results=[])))
    _, answer = await cloud.ask()
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    cloud.behave(stream_of(prompt_results(), chunk({"content": "Hel"}), annotation(1), chunk({}, "content_filter")))
    async with open_stream(cloud.served) as stream:
        await stream.event()
        assert (await stream.event())["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("label", RULES)
@pytest.mark.parametrize("body", [filtered(), filtered(code=None), filtered(innererror=None)])
async def test_a_prompt_that_the_filter_refuses_is_never_asked_elsewhere(
    cloud: Cloud, label: str, body: dict[str, Any]
) -> None:
    cloud.behave(status(400, body))
    code, answer = await cloud.ask(label)
    assert (code, answer["error"]["code"]) == (400, "content_filter")
    assert "sk-leak" not in json.dumps(answer)
    assert cloud.second.requests == []


async def test_a_deployment_that_is_not_there_is_answered_by_the_next(cloud: Cloud) -> None:
    cloud.behave(status(404, {"error": {"code": "DeploymentNotFound", "message": "m"}}))
    code, answer = await cloud.ask()
    assert (code, answer["model"]) == (200, "second-model")


async def test_a_field_that_the_version_does_not_know_goes_to_the_next(cloud: Cloud) -> None:
    cloud.behave(answers("Hello."))
    assert (await cloud.ask(reasoning_effort="low"))[1]["model"] == "second-model"
    assert cloud.azure.requests == []
    assert (await cloud.ask("Internal", reasoning_effort="low"))[1]["model"] == "gpt-5-mini"
