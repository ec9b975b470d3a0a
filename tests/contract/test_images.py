"""Images of a request, from OpenAI's client to providers of each wire format; and where they are let in at all."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from regent_operator.plan.policy import effective
from tests.enforces import enforces
from tests.fakes import configs, messages, responses
from tests.fakes.pictures import data_url, png, said, shown
from tests.fakes.provider import Behaviour, answers, provider
from tests.fakes.serving import Served, serving

APIS = ["ChatCompletions", "Responses", "Messages"]
PNG = png(640, 480)
BASE64 = data_url(PNG).partition(",")[2]
ASKED: list[Any] = [{"role": "user", "content": [said("What is this?"), shown(PNG)]}]
LET = {"guardrails": {"input": {"images": "Allow"}}}
PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}


def seeing(name: str, url: str, **more: Any) -> dict[str, Any]:
    return configs.provider_config(name, url, **configs.merged({"capabilities": {"vision": True}}, more))


def document(*providers: dict[str, Any], **policy: Any) -> dict[str, Any]:
    return configs.document(*providers, policy=configs.merged(LET, policy))


def answering(api: str) -> Behaviour:
    if api == "Responses":
        return responses.answers_with(responses.response(responses.said("A square.")))
    return messages.speaks("A square.") if api == "Messages" else answers("A square.")


async def refused(served: Served, **more: Any) -> tuple[int, str, str | None]:
    code, answer, _ = await served.post({"messages": ASKED, **more})
    return code, answer["error"]["code"], answer["error"]["param"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_an_image_reaches_the_model_byte_for_byte(tmp_path: Path, api: str, stream: bool) -> None:
    async with (
        provider(answering(api)) as fake,
        serving(tmp_path, document(seeing("eye", fake.url, api=api))) as served,
        served.sdk() as client,
    ):
        made: Any = await client.chat.completions.create(model="any", messages=ASKED, stream=stream)
        if stream:
            text = "".join([each.choices[0].delta.content or "" async for each in made])
        else:
            text = made.choices[0].message.content
        assert text == "A square."
        assert json.dumps(fake.requests[0].body).count(BASE64) == 1


async def test_an_image_that_would_have_to_be_fetched_goes_nowhere(tmp_path: Path) -> None:
    async with provider() as fake, serving(tmp_path, document(seeing("eye", fake.url))) as served:
        url: Any = {"type": "image_url", "image_url": {"url": "https://cdn.example/cat.png?secret=1"}}
        async with served.sdk() as client:
            with pytest.raises(openai.BadRequestError) as error:
                await client.chat.completions.create(model="any", messages=[{"role": "user", "content": [url]}])
        assert (error.value.code, error.value.param) == ("unsupported_field", "messages[0].content[0].image_url.url")
        assert fake.connections == 0


@enforces("guardrails.input.images")
@pytest.mark.parametrize("stated", [{}, {"images": "Deny"}, {"images": "Allow"}])
async def test_images_need_the_policys_word(tmp_path: Path, stated: dict[str, str]) -> None:
    async with provider() as fake:
        made = configs.document(seeing("eye", fake.url), policy={"guardrails": {"input": stated}})
        async with serving(tmp_path, made) as served:
            if stated.get("images") == "Allow":
                assert (await served.post({"messages": ASKED}))[0] == 200
                return
            assert await refused(served) == (400, "images_not_allowed", "messages[0].content")
            assert fake.connections == 0
            (denied,) = [each for each in served.runtime.records[-1].decisions if each.action == "Deny"]
            assert denied.field == "guardrails.input.images"


@enforces("data.classes.*.anonymize")
async def test_a_class_that_is_anonymised_takes_no_images(tmp_path: Path) -> None:
    classes = {"Internal": {"anonymize": True}}
    async with (
        provider() as fake,
        serving(tmp_path, document(seeing("eye", fake.url), data={"classes": classes})) as served,
    ):
        assert await refused(served) == (400, "images_not_allowed", "messages[0].content")
        assert fake.connections == 0
        (denied,) = [each for each in served.runtime.records[-1].decisions if each.action == "Deny"]
        assert denied.field == "data.classes.Internal.anonymize"


@enforces("data.personalData.raisesTo")
async def test_an_image_counts_as_personal_data(tmp_path: Path) -> None:
    async with provider() as low, provider(answers("From high.")) as high:
        made = document(
            seeing("low", low.url, maxSensitivity="Internal"),
            seeing("high", high.url),
            data={"personalData": {"raisesTo": "Confidential"}},
        )
        async with serving(tmp_path, made) as served:
            code, answer, _ = await served.post({"messages": ASKED})
            assert (code, answer["choices"][0]["message"]["content"]) == (200, "From high.")
            assert low.connections == 0
            assert served.runtime.records[-1].sensitivity == "Confidential"


async def test_only_models_that_are_said_to_see_are_shown_images(tmp_path: Path) -> None:
    async with provider() as blind, provider(answers("I see.")) as eye:
        made = document(configs.provider_config("blind", blind.url), seeing("eye", eye.url))
        async with serving(tmp_path, made) as served:
            assert (await served.post({"messages": ASKED}))[0] == 200
            assert await served.attempts() == [("eye", "answered", "")]
            made_of = [(each.field, each.reason) for each in served.runtime.records[-1].decisions]
            assert ("capabilities.vision", "blind") in made_of
            assert blind.connections == 0


async def test_where_no_model_sees_the_caller_learns_it(tmp_path: Path) -> None:
    async with (
        provider() as blind,
        serving(tmp_path, document(configs.provider_config("blind", blind.url))) as served,
    ):
        assert await refused(served) == (400, "unsupported_field", "messages[0].content")


@enforces("size.maxRequestBytes", "size.maxInputTokens")
@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        ({"maxRequestBytes": 1000}, (413, "body_too_large", None)),
        ({"maxInputTokens": 400}, (422, "input_too_long", "messages")),
    ],
)
async def test_images_count_towards_every_size(
    tmp_path: Path, size: dict[str, int], outcome: tuple[int, str, str | None]
) -> None:
    async with provider() as fake, serving(tmp_path, document(seeing("eye", fake.url), size=size)) as served:
        assert await refused(served) == outcome
        assert fake.connections == 0


BUDGET = {"perConversationUsd": "0.10"}


@enforces("budget.perConversationUsd")
async def test_under_a_budget_images_go_only_where_their_cost_is_bounded(tmp_path: Path) -> None:
    async with provider() as unknown, provider(answers("Known.")) as known:
        made = document(
            seeing("unknown", unknown.url, price=PRICE),
            seeing("known", known.url, price=PRICE, capabilities={"imageTokens": 2000}),
            budget=BUDGET,
        )
        async with serving(tmp_path, made) as served:
            assert (await served.post({"messages": ASKED}))[0] == 200
            assert await served.attempts() == [("known", "answered", "")]
            assert unknown.connections == 0
            (out,) = [each for each in served.runtime.records[-1].decisions if each.action == "Exclude"]
            assert (out.field, out.reason) == ("budget.perConversationUsd", "unknown")


@enforces("budget.perConversationUsd")
async def test_a_budget_reserves_what_an_image_may_count_as(tmp_path: Path) -> None:
    """Ten cents buy some 100,000 tokens of input."""
    async with provider() as fake:
        made = document(seeing("eye", fake.url, price=PRICE, capabilities={"imageTokens": 200_000}), budget=BUDGET)
        async with serving(tmp_path, made) as served:
            assert await refused(served) == (429, "insufficient_quota", None)
            assert fake.connections == 0


async def test_a_shadow_tells_that_it_would_take_no_images(tmp_path: Path) -> None:
    in_force = configs.merged(effective({}).wire(), {"models": {"localHosts": [["127.0.0.1"]]}})
    async with provider() as fake:
        made = configs.merged(document(seeing("eye", fake.url)), {"shadows": [{"name": "demo/t", "policy": in_force}]})
        async with serving(tmp_path, made) as served:
            assert (await served.post({"messages": ASKED}))[0] == 200
            told = [(each.action, each.field) for each in served.runtime.records[-1].decisions if each.shadow]
            assert told == [("Deny", "guardrails.input.images")]


async def test_an_approver_is_shown_the_image(tmp_path: Path) -> None:
    lead = "system:serviceaccount:demo:lead"
    policy = {
        "data": {"classes": {"Internal": {"aiProcessing": ["Approve"]}}},
        "approvals": {"approvers": [[{"subjects": [lead]}]]},
    }
    async with provider() as fake, serving(tmp_path, document(seeing("eye", fake.url), **policy)) as served:
        _, answer, _ = await served.post({"messages": ASKED})
        approval = answer["error"]["approval"]["id"]
        bearer = {"Authorization": f"Bearer {configs.token('lead')}"}
        async with served.http.get(f"{served.url}/v1/approvals/{approval}", headers=bearer) as response:
            assert (await response.json())["messages"] == ASKED
