import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.wire.answer import Chunk, MalformedAnswer, ToolCall, Usage
from regent_runtime.wire.reply_by_schema import Reply
from tests.unit.runtime.wire.test_tools import Uncopied

ROME = {"name": "weather", "arguments": {"city": "Rome"}}


def reply(*, must_call: bool = False, of_words: bool = True, most_calls: int = 16) -> Reply:
    return Reply(must_call=must_call, of_words=of_words, most_calls=most_calls)


def whole(text: str, reason: str = "stop", **more: Any) -> Chunk:
    return reply(**more).read(Chunk(text, finish_reason=reason))


def test_an_answer_in_words() -> None:
    usage = Usage(1, 2, 3)
    assert reply().read(Chunk('{"answer": "Sun."}', "", "stop", usage)) == Chunk("Sun.", "", "stop", usage)


def test_calls() -> None:
    made = whole(json.dumps({"calls": [ROME, {"name": "time", "arguments": {}}]}))
    assert made == Chunk("", "", "tool_calls", tool_calls=(ToolCall("weather", {"city": "Rome"}), ToolCall("time", {})))


def test_an_answer_that_the_caller_wants_in_json_is_json() -> None:
    assert whole('{"answer": {"city": "Rome"}}', of_words=False).content == '{"city":"Rome"}'
    assert whole('{"answer": "Rome"}', of_words=False).content == '"Rome"'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun.",
        '{"answer": "Sun."',
        '{"answer": 3}',
        '{"answer": "Sun.", "calls": []}',
        '{"answer": "Sun.", "answer": "Rain."}',
        '{"calls": []}',
        '{"calls": {"name": "weather", "arguments": {}}}',
        '{"calls": [{"name": "weather"}]}',
        '{"calls": [{"name": "weather", "arguments": "{}"}]}',
        '{"calls": [{"name": 3, "arguments": {}}]}',
        '{"calls": [{"name": "weather", "arguments": {}, "id": "x"}]}',
        '{"calls": [{"name": "weather", "arguments": ' + '{"a":' * 70 + "1" + "}" * 70 + "}]}",
        "[1]",
        "[" * 100_000,
    ],
)
def test_what_the_schema_does_not_let_is_malformed(text: str) -> None:
    with pytest.raises(MalformedAnswer):
        whole(text)


def test_where_a_call_is_asked_for_words_are_malformed() -> None:
    with pytest.raises(MalformedAnswer):
        whole('{"answer": "Sun."}', must_call=True)


def test_more_calls_than_the_request_lets_are_malformed() -> None:
    with pytest.raises(MalformedAnswer):
        whole(json.dumps({"calls": [ROME, ROME]}), most_calls=1)


def test_calls_in_the_servers_own_way_were_not_asked_for() -> None:
    with pytest.raises(MalformedAnswer):
        reply().read(Chunk(finish_reason="tool_calls", tool_calls=(ToolCall("weather", {}),)))


def test_an_answer_that_was_cut_says_what_can_be_read_and_calls_nothing() -> None:
    assert whole('{"answer": "Sun and ra', "length") == Chunk("Sun and ra", "", "length")
    assert whole(json.dumps({"calls": [ROME]}), "length") == Chunk("", "", "length")
    assert whole("", "content_filter") == Chunk("", "", "content_filter")


def test_a_refusal_is_passed_on() -> None:
    made = reply()
    assert made.read(Chunk(refusal="No.")) == Chunk(refusal="No.")
    assert made.read(Chunk(finish_reason="stop")) == Chunk(finish_reason="stop")


def test_nothing_is_said_after_the_end() -> None:
    made = reply()
    made.read(Chunk('{"answer": "Sun."}', finish_reason="stop"))
    assert made.read(Chunk(usage=Usage(1, 2, 3))) == Chunk(usage=Usage(1, 2, 3))
    with pytest.raises(MalformedAnswer):
        made.read(Chunk(" "))


def test_words_come_as_they_are_written_and_what_is_no_word_is_a_sign_of_life() -> None:
    made = reply()
    pieces = ['{"ans', 'wer": "Su', "n \\", "n\\u00e4 \\ud83d", "\\ude00", ' rain."', "}"]
    read = [made.read(Chunk(piece)) for piece in pieces]
    assert [each.content for each in read] == ["", "Su", "n ", "\nä ", "😀", " rain.", ""]
    assert [each.working for each in read] == [True, False, False, False, False, False, True]
    assert made.read(Chunk(finish_reason="stop")) == Chunk(finish_reason="stop")


def streamed(text: str, cuts: list[int]) -> tuple[str, tuple[ToolCall, ...]]:
    made = reply()
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    chunks = [made.read(Chunk(text[at:end])) for at, end in pairwise(bounds)]
    last = made.read(Chunk(finish_reason="stop"))
    return "".join(each.content for each in (*chunks, last)), last.tool_calls


@given(st.text(), st.booleans(), st.lists(st.integers(0, 500), max_size=8))
def test_words_are_the_same_however_they_come(text: str, ascii_alone: bool, cuts: list[int]) -> None:
    written = json.dumps({"answer": text}, ensure_ascii=ascii_alone)
    assert streamed(written, cuts) == (text, ())


@given(st.dictionaries(st.text(), st.text()), st.lists(st.integers(0, 500), max_size=8))
def test_calls_are_the_same_however_they_come(arguments: dict[str, str], cuts: list[int]) -> None:
    written = json.dumps({"calls": [{"name": "weather", "arguments": arguments}]})
    assert streamed(written, cuts) == ("", (ToolCall("weather", arguments),))


def test_what_has_come_is_put_together_once() -> None:
    text = json.dumps({"calls": [{"name": "weather", "arguments": {"city": "Ro" * 1000}}]})
    made = reply()
    for piece in text:
        made.read(Chunk(Uncopied(piece)))
    assert made.read(Chunk(finish_reason="stop")).tool_calls == (ToolCall("weather", {"city": "Ro" * 1000}),)


@pytest.mark.parametrize("rest", ['Sun."' + " " * 1000, "Sun.\\x" * 200, "Sun.\n" * 200, "Sun. " * 200])
def test_no_more_is_looked_at_again_than_an_escape_has(rest: str) -> None:
    made = reply()
    for piece in '{"answer": "' + rest:
        made.read(Chunk(piece))
        assert len(made._unread or "") <= 12
