"""Personal data goes out and comes back exactly, whatever the texts hold and however the answer is cut."""

import os
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.policy import Detector
from regent_runtime.access import anonymise as module
from regent_runtime.access.anonymise import Anonymised, anonymise
from regent_runtime.access.personal import PersonalData, texts
from regent_runtime.access.placeholders import (
    KINDS,
    MOST_OF_A_KIND,
    NONCE_LETTERS,
    QUOTED,
    is_placeholder,
    nonce,
    placeholder,
)
from regent_runtime.access.restore import Restoration, Restored, visible
from regent_runtime.guard.personal_data import find
from regent_runtime.refusals import Refused
from regent_runtime.wire.answer import Chunk, ToolCall
from regent_runtime.wire.request import ChatRequest

laws = settings(deadline=None, max_examples=int(os.environ.get("REGENT_LAW_EXAMPLES", "100")))
NONCE = nonce("conversation")


def values(request: ChatRequest) -> dict[str, str]:
    return {
        text[found.start : found.end]: KINDS[Detector(found.detector)]
        for text in texts(request)
        for found in find(text, tuple(Detector))
    }


def made_of(request: ChatRequest) -> Anonymised:
    return anonymise(request, values(request), NONCE)


def asked(*contents: str, **forwarded: Any) -> ChatRequest:
    messages = [{"role": "user", "content": content} for content in contents]
    return ChatRequest(messages, False, False, None, None, forwarded)


def restore(text: str, made: Anonymised) -> str:
    return Restoration(made.originals).feed(text, last=True)


pieces = st.sampled_from(
    [
        "ann@example.com",
        "bob@example.com",
        "xann@example.com",
        "ann@example.community",
        "4111111111111111",
        "04111111111111111",
        f"[EMAIL_1_{NONCE}]",
        f"[EMAIL_1_{NONCE}",
        f"[EMAIL_2_{NONCE}]",
        f"[QUOTED_1_{NONCE}]",
        "[CARD_1_bcdfghjk]",
        "[email_1_bcdfghjk]",
        "[",
        "]",
        "_1_",
        NONCE,
        " ",
        "é",
        "\n",
    ]
)
contents = st.lists(pieces | st.text(max_size=4), max_size=12).map("".join)


def test_values_become_placeholders_by_kind() -> None:
    made = made_of(asked("Mail ann@example.com or bob@example.com, card 4111111111111111."))

    assert made.request == asked(f"Mail [EMAIL_1_{NONCE}] or [EMAIL_2_{NONCE}], card [CARD_1_{NONCE}].")
    assert made.originals == {
        f"[EMAIL_1_{NONCE}]": "ann@example.com",
        f"[EMAIL_2_{NONCE}]": "bob@example.com",
        f"[CARD_1_{NONCE}]": "4111111111111111",
    }


def test_equal_values_have_one_placeholder_in_all_texts() -> None:
    made = made_of(asked("I am ann@example.com.", "Who is ann@example.com?"))

    assert [message["content"] for message in made.request.messages] == [
        f"I am [EMAIL_1_{NONCE}].",
        f"Who is [EMAIL_1_{NONCE}]?",
    ]


def test_a_found_value_is_taken_out_where_the_detectors_do_not_see_it() -> None:
    made = made_of(asked("4111111111111111", "x4111111111111111"))

    assert made.request.messages[1]["content"] == f"x[CARD_1_{NONCE}]"


def test_the_conversations_nonce_is_its_own_and_tells_nothing() -> None:
    assert nonce("one") == nonce("one")
    assert nonce("one") != nonce("two")
    assert len(nonce("one")) == NONCE_LETTERS
    assert set(nonce("one")) <= set("bcdfghjklmnpqrstvwxz")


def test_the_last_number_of_a_kind_still_makes_a_placeholder() -> None:
    assert all(is_placeholder(placeholder(kind, MOST_OF_A_KIND, NONCE)) for kind in (QUOTED, *KINDS.values()))
    assert not is_placeholder(placeholder(QUOTED, MOST_OF_A_KIND + 1, NONCE))


def test_what_looks_like_a_placeholder_is_taken_out_too() -> None:
    made = made_of(asked(f"[EMAIL_1_{NONCE}] and ann@example.com"))

    assert made.request == asked(f"[QUOTED_1_{NONCE}] and [EMAIL_1_{NONCE}]")
    assert restore(f"[QUOTED_1_{NONCE}]", made) == f"[EMAIL_1_{NONCE}]"


def test_other_fields_that_go_to_a_provider_are_searched_and_replaced() -> None:
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"ann@example.com": ["bob@example.com", 1]}},
    }
    made = made_of(asked("Hi", response_format=schema, stop=["ann@example.com"], seed=7))

    assert made.request.forwarded == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {f"[EMAIL_1_{NONCE}]": [f"[EMAIL_2_{NONCE}]", 1]}},
        },
        "stop": [f"[EMAIL_1_{NONCE}]"],
        "seed": 7,
    }


def test_numbers_of_tools_are_searched_and_replaced() -> None:
    def tool(number: int | str) -> dict[str, Any]:
        parameters = {"type": "object", "properties": {"card": {"const": number, "maxLength": 19}}}
        return {"type": "function", "function": {"name": "pay", "parameters": parameters}}

    made = made_of(asked("Hi", tools=[tool(4111111111111111)]))

    assert made.request.forwarded == {"tools": [tool(f"[CARD_1_{NONCE}]")]}


@pytest.mark.parametrize("name", ["4111111111111111", "ann@example.com"])
def test_a_name_that_holds_a_value_is_left_out(name: str) -> None:
    named = replace(asked(), messages=[{"role": "user", "content": "Hi", "name": name}])

    assert made_of(named).request.messages == [{"role": "user", "content": "Hi"}]


def test_any_other_name_stays() -> None:
    named = replace(asked(), messages=[{"role": "user", "content": "Hi", "name": "Ann"}])

    assert made_of(named).request == named


def test_of_two_values_at_one_place_the_longer_is_taken_out() -> None:
    found = {"ann@example.com": "EMAIL", "ann@example.community": "EMAIL"}
    made = anonymise(asked("ann@example.community"), found, NONCE)

    assert made.originals == {f"[EMAIL_1_{NONCE}]": "ann@example.community"}


def test_a_thousand_long_values_are_replaced_and_more_are_refused() -> None:
    found = {f"{number:04}{'x' * 60}@{'y' * 185}.com": "EMAIL" for number in range(1000)}
    made = anonymise(asked(" ".join(found)), found, NONCE)

    assert made.request.messages[0]["content"].endswith(f" [EMAIL_1000_{NONCE}]")
    with pytest.raises(Refused) as refused:
        anonymise(asked("Hi"), {**found, "ann@example.com": "EMAIL"}, NONCE)
    assert refused.value.refusal.code == "too_much_personal_data"


def test_values_that_cannot_be_searched_for_reach_no_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_LARGEST_PROGRAM", 1000)

    with pytest.raises(re2.error):
        made_of(asked("zoe@example.org"))
    assert capfd.readouterr() == ("", "")


def test_more_placeholders_than_four_digits_tell_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_A_KIND", 2)

    made_of(asked("[CARD_1_bcdfghjk] [CARD_2_bcdfghjk] [CARD_1_bcdfghjk] a@x.com b@x.com"))
    with pytest.raises(Refused) as refused:
        made_of(asked("[CARD_1_bcdfghjk] [CARD_2_bcdfghjk] [CARD_3_bcdfghjk]"))
    assert refused.value.refusal.code == "too_much_personal_data"


def test_no_value_stands_in_its_representation() -> None:
    assert repr(made_of(asked("ann@example.com"))) == "Anonymised(1 values)"


@laws
@given(st.lists(contents, max_size=3), st.lists(contents, max_size=2))
def test_an_echo_comes_back_as_it_was(said: list[str], stop: list[str]) -> None:
    made = made_of(asked(*said, stop=stop))

    assert [restore(text, made) for text in texts(made.request)] == [*said, *stop]


@laws
@given(st.lists(contents, max_size=3), st.lists(contents, max_size=2))
def test_no_found_value_stays(said: list[str], stop: list[str]) -> None:
    made = made_of(asked(*said, stop=stop))

    found = values(asked(*said, stop=stop))
    assert not any(value in text for text in texts(made.request) for value in found)


@laws
@given(contents, contents, st.lists(st.integers(0, 200), max_size=8))
def test_restoration_does_not_depend_on_chunks(said: str, written: str, cuts: list[int]) -> None:
    made = made_of(asked(said))
    answer = made.request.messages[0]["content"] + written
    restoration = Restoration(made.originals)
    bounds = [0, *sorted(min(cut, len(answer)) for cut in cuts), len(answer)]

    parts = [restoration.feed(answer[a:b], last=False) for a, b in pairwise(bounds)]
    parts.append(restoration.feed("", last=True))

    assert "".join(parts) == restore(answer, made)


def test_only_the_beginning_of_a_placeholder_waits() -> None:
    made = made_of(asked("ann@example.com"))
    restoration = Restoration(made.originals)

    assert restoration.feed("To [EMA", last=False) == "To "
    assert restoration.feed("IL_1", last=False) == ""
    assert restoration.feed("0] or [x", last=False) == "[EMAIL_10] or [x"
    assert restoration.feed(f" [EMAIL_1_{NONCE}]!", last=False) == " ann@example.com!"


@pytest.mark.parametrize("altered", ["[EMAIL_2_{}]", "[email_1_{}]", "[EMAIL_1_ {}]", "EMAIL_1_{}", "[EMAIL_1_{}"])
def test_an_altered_placeholder_stays(altered: str) -> None:
    made = made_of(asked("ann@example.com"))
    text = altered.format(NONCE)

    assert restore(text, made) == text


def test_who_may_not_read_gets_only_its_own_words_back() -> None:
    made = made_of(asked("ann@example.com [CARD_1_bcdfghjk]"))

    assert visible(made.originals, may_read=True) == made.originals
    assert visible(made.originals, may_read=False) == {f"[QUOTED_1_{NONCE}]": "[CARD_1_bcdfghjk]"}


def restored(made: Anonymised, *chunks: Chunk) -> list[Chunk]:
    restoring = Restored(made.originals)
    return [lifted for chunk in chunks if (lifted := restoring.let(chunk)) is not None]


def test_chunks_keep_their_end_and_lose_no_text() -> None:
    parts = map(Chunk, ("Write to [EMAIL", f"_1_{NONCE}", "] or [EMAIL"))
    end = Chunk(refusal=f"[EMAIL_1_{NONCE}]", finish_reason="stop")
    chunks = restored(made_of(asked("ann@example.com")), *parts, end)

    assert "".join(chunk.content for chunk in chunks) == "Write to ann@example.com or [EMAIL"
    assert [chunk.finish_reason for chunk in chunks] == [None, None, "stop"]
    assert chunks[-1].refusal == "ann@example.com"


def test_what_is_cut_within_a_placeholder_waits_for_its_rest_alone() -> None:
    parts = map(Chunk, ("[EMAIL", "_1_", "", f"{NONCE}]"))
    chunks = restored(made_of(asked("ann@example.com")), *parts, Chunk(finish_reason="stop"))

    assert [(chunk.content, bool(chunk)) for chunk in chunks] == [("", False), ("ann@example.com", True)], (
        "an empty chunk tells a client that work goes on"
    )


async def test_personal_data_is_searched_once_in_all_that_would_be_sent() -> None:
    request = asked("ann@example.com", "Hi", stop=["4111111111111111"])
    personal = PersonalData(request)

    assert await personal.values() == {"ann@example.com": "EMAIL", "4111111111111111": "CARD"}
    assert await personal.values() is await personal.values()


CALL = {"id": "call_0", "name": "send", "arguments": {"to": ["ann@example.com"], "card": 4111111111111111, "count": 1}}
PAST = [
    {"role": "user", "content": "Write to ann@example.com."},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "bob@example.com answered.", "tool_call_id": "call_0"},
]


def test_calls_and_results_of_tools_are_searched_and_replaced() -> None:
    veiled = {**CALL, "arguments": {"to": [f"[EMAIL_1_{NONCE}]"], "card": f"[CARD_1_{NONCE}]", "count": 1}}
    assert made_of(replace(asked(), messages=PAST)).request.messages == [
        {"role": "user", "content": f"Write to [EMAIL_1_{NONCE}]."},
        {"role": "assistant", "content": "", "tool_calls": [veiled]},
        {"role": "tool", "content": f"[EMAIL_2_{NONCE}] answered.", "tool_call_id": "call_0"},
    ]


def test_the_arguments_of_a_call_are_restored() -> None:
    call = ToolCall("send", {"to": [f"[EMAIL_1_{NONCE}]"], "count": 1})
    made = made_of(asked("Write to ann@example.com."))
    (chunk,) = restored(made, Chunk(finish_reason="tool_calls", tool_calls=(call,)))
    assert chunk.tool_calls == (ToolCall("send", {"to": ["ann@example.com"], "count": 1}),)
