import json
from typing import Any

import pytest

from regent_runtime.dialect.messages.request import parse
from regent_runtime.dialect.told import MOST_MESSAGES, MOST_TOOLS
from regent_runtime.refusals import Refused
from tests.fakes.pictures import data_url, png

USER: dict[str, Any] = {"role": "user", "content": "Hi"}
DATA = data_url(png()).partition(",")[2]


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def call(identity: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "f", "input": {"a": 1}, **more}


def result(identity: str = "x", content: Any = "Sun.", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": content, **more}


def image(**more: Any) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA, **more}}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def read(*messages: dict[str, Any], **more: Any) -> Any:
    return parse(json.dumps({"max_tokens": 5, "messages": messages, **more}).encode())


def refused(*messages: dict[str, Any], **more: Any) -> tuple[str, str | None]:
    with pytest.raises(Refused) as raised:
        read(*messages, **more)
    assert f"`{raised.value.param}`" in raised.value.message
    return raised.value.refusal.code, raised.value.param


def test_calls_and_results_are_messages_of_their_own_with_ids_of_ours() -> None:
    found = read(
        USER,
        assistant(said("Let me look."), call("b"), call("a")),
        user(result("a", [said("Sun"), said("and wind.")]), result("b", "Rain."), said("And now?")),
    )
    assert found.request.messages == [
        USER,
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "call_0", "name": "f", "arguments": {"a": 1}},
                {"id": "call_1", "name": "f", "arguments": {"a": 1}},
            ],
        },
        {"role": "tool", "content": "Sun\nand wind.", "tool_call_id": "call_1"},
        {"role": "tool", "content": "Rain.", "tool_call_id": "call_0"},
        {"role": "user", "content": "And now?"},
    ]
    assert found.places == (
        "messages[0]",
        "messages[1]",
        "messages[2].content[0]",
        "messages[2].content[1]",
        "messages[2]",
    )


@pytest.mark.parametrize("system", ["Be kind.", [said("Be"), said("kind.")]])
def test_a_system_prompt_is_the_first_message(system: Any) -> None:
    found = read(USER, system=system)
    text = system if isinstance(system, str) else "Be\nkind."
    assert found.request.messages == [{"role": "system", "content": text}, USER]
    assert found.places == ("system", "messages[0]")


@pytest.mark.parametrize("system", ["", []])
def test_no_system_prompt_asks_for_nothing(system: Any) -> None:
    assert read(USER, system=system).request.messages == [USER]


def test_texts_and_images_keep_their_order() -> None:
    found = read(user(said("One"), said("two"), image(), said("three")))
    first, shown, last = found.request.messages[0]["content"]
    assert (first, shown.data, last) == ("One\ntwo", DATA, "three")
    assert found.request.images == (shown,)


def test_what_the_client_gives_back_is_history() -> None:
    back = assistant(said("Hi.", citations=None), call(caller={"type": "direct"}, toolset_name=None))
    cached = {"cache_control": {"type": "ephemeral"}}
    found = read(USER, back, user(result(is_error=False, **cached), said("Go on.", **cached)))
    assert [message["content"] for message in found.request.messages] == ["Hi", "Hi.", "Sun.", "Go on."]


def test_the_result_of_a_tool_that_failed_says_so() -> None:
    found = read(USER, assistant(call()), user(result(is_error=True), said("Go on.")))
    assert found.request.messages[2]["content"] == "Error: Sun."


UNFIT: list[tuple[list[dict[str, Any]], str, str]] = [
    ([assistant(said("I"))], "unsupported_field", "messages[0].role"),
    ([user()], "invalid_value", "messages[0].content"),
    ([{**USER, "role": "system"}], "invalid_value", "messages[0].role"),
    ([user(result())], "invalid_value", "messages[0].content[0].tool_use_id"),
    ([USER, assistant(call()), user(result("y"))], "invalid_value", "messages[2].content[0].tool_use_id"),
    ([USER, assistant(call()), USER], "invalid_value", "messages[2]"),
    ([USER, assistant(call(), call("y")), user(result())], "invalid_value", "messages[2]"),
    ([USER, assistant(call(), call("y")), user(result(), said("Go on."))], "invalid_value", "messages[2]"),
    ([USER, assistant(call()), USER, user(result())], "invalid_value", "messages[2]"),
    ([USER, assistant(call()), user(said("Go on.")), user(result())], "invalid_value", "messages[2]"),
    ([USER, assistant(call()), assistant(said("I")), user(result())], "invalid_value", "messages[2]"),
    ([USER, assistant(call()), assistant(call("y")), user(result(), result("y"))], "invalid_value", "messages[2]"),
    ([USER, assistant(call(), call())], "invalid_value", "messages[1].content[1].id"),
    ([USER, assistant(call(), said("I")), user(result())], "invalid_value", "messages[1].content[1]"),
    ([USER, assistant(call()), user(said("Go"), result())], "invalid_value", "messages[2].content[1]"),
    ([user(call())], "invalid_value", "messages[0].content[0].type"),
    ([USER, assistant(result())], "invalid_value", "messages[1].content[0].type"),
    ([USER, assistant(image())], "invalid_value", "messages[1].content[0].type"),
    ([user({"type": "document"})], "invalid_value", "messages[0].content[0].type"),
    ([user({"type": "thinking", "thinking": "x"})], "invalid_value", "messages[0].content[0].type"),
    ([user(said("Hi", citations=[{}]))], "unsupported_field", "messages[0].content[0].citations"),
    ([user(said("Hi\0"))], "invalid_value", "messages[0].content"),
    ([{**USER, "content": "\0"}], "invalid_value", "messages[0].content"),
    ([user({**image(), "source": {"type": "url", "url": "http://169.254.169.254/"}})], "unsupported_field", "messages[0].content[0].source.type"),
    ([user({**image(), "source": {"type": "file", "file_id": "f"}})], "unsupported_field", "messages[0].content[0].source.type"),
    ([user({**image(), "source": {"type": "base64", "media_type": "image/png"}})], "missing_field", "messages[0].content[0].source.data"),
    ([user(image(data="?"))], "invalid_value", "messages[0].content[0].source.data"),
    ([user(image(media_type="image/gif"))], "invalid_value", "messages[0].content[0].source.data"),
    ([user({**image(), "transformations": [{}]})], "unsupported_field", "messages[0].content[0].transformations"),
    ([USER, assistant(call()), user(result(content=[image()]))], "unsupported_field", "messages[2].content[0].content[0].type"),
    ([USER, assistant(call()), user(result(content="\0"))], "invalid_value", "messages[2].content[0].content"),
    ([USER, assistant(call(caller={"type": "code_execution"})), user(result())], "unsupported_field", "messages[1].content[0].caller"),
    ([USER, assistant(call(toolset_name="t")), user(result())], "unsupported_field", "messages[1].content[0].toolset_name"),
    ([USER, assistant(call(name="not a name")), user(result())], "invalid_value", "messages[1].content[0].name"),
    ([USER, assistant(call(input=[])), user(result())], "invalid_value", "messages[1].content[0].input"),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "code", "param"), UNFIT)
def test_what_does_not_fit_is_named(messages: list[dict[str, Any]], code: str, param: str) -> None:
    assert refused(*messages) == (code, param)


def test_a_system_prompt_of_anything_but_text_is_named() -> None:
    assert refused(USER, system=[image()])[1] == "system[0].type"
    assert refused(USER, system="\0") == ("invalid_value", "system")


def test_input_that_nests_deeply_is_refused() -> None:
    deep: Any = {}
    for _ in range(70):
        deep = {"a": deep}
    assert refused(USER, assistant(call(input=deep)), user(result())) == (
        "invalid_value",
        "messages[1].content[0].input",
    )


def test_more_images_than_a_request_may_have_are_refused() -> None:
    assert refused(user(*[image()] * 21)) == ("invalid_value", "messages")


def test_a_message_calls_as_many_tools_as_in_the_other_dialect() -> None:
    names = [f"c{number}" for number in range(MOST_TOOLS + 1)]
    calls, results = [call(name) for name in names], [result(name) for name in names]
    assert len(read(USER, assistant(*calls[:-1]), user(*results[:-1])).request.messages) == MOST_TOOLS + 2
    assert refused(USER, assistant(*calls), user(*results)) == ("invalid_value", f"messages[1].content[{MOST_TOOLS}]")


def test_results_count_as_messages() -> None:
    names = [f"c{number}" for number in range(MOST_TOOLS)]
    turn = [assistant(*map(call, names)), user(*map(result, names))]
    assert refused(USER, *turn * (MOST_MESSAGES // MOST_TOOLS)) == ("invalid_value", "messages")
