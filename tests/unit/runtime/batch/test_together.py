import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.batch.together import Together, lead, shares
from regent_runtime.wire.answer import Chunk, ToolCall, Usage
from regent_runtime.wire.request import ChatRequest


def asked(*texts: str) -> list[ChatRequest]:
    return [ChatRequest([{"role": "user", "content": text}], False, False, None, 0.2, {"top_p": 0.5}) for text in texts]


def items(together: Together) -> list[dict[str, str]]:
    """What a model reads."""
    return list(json.loads(together.request.messages[0]["content"])["questions"])


def answered(entries: list[dict[str, Any]], finish_reason: str = "stop") -> list[Chunk]:
    return [Chunk(json.dumps({"answers": entries}), finish_reason=finish_reason)]


def right(together: Together) -> list[dict[str, Any]]:
    return [{"id": each["id"], "about": each["about"], "answer": f"On {each['question']}"} for each in items(together)]


def test_several_questions_become_one_request_under_rules_of_its_own() -> None:
    together = Together(asked("How is Rome?", "How is Oslo?"), "Be brief.", iter(["one", "two"]).__next__)
    request = together.request
    assert items(together) == [
        {"id": "one", "about": "How is Rome?", "question": "How is Rome?"},
        {"id": "two", "about": "How is Oslo?", "question": "How is Oslo?"},
    ]
    assert request.instructions is not None
    assert request.instructions.startswith("Be brief.\n\nThe next message holds several questions")
    assert (request.temperature, request.forwarded["top_p"]) == (0.2, 0.5)
    assert request.forwarded["response_format"]["json_schema"]["strict"] is True


def test_ids_are_drawn_anew_each_time() -> None:
    one, other = (Together(asked("How is Rome?"), "") for _ in range(2))
    assert items(one)[0]["id"] != items(other)[0]["id"]


def test_each_question_gets_its_answer() -> None:
    together = Together(asked("How is Rome?", "How is Oslo?"), "")
    assert together.split(answered(right(together))) == ["On How is Rome?", "On How is Oslo?"]
    assert together.split([*answered(right(together)), Chunk(usage=Usage(1, 1, 2))]) is not None


@pytest.mark.parametrize(
    "answer",
    [
        [Chunk("Rome is well, and so is Oslo.", finish_reason="stop")],
        [Chunk("", finish_reason="stop")],
        [Chunk("[]", finish_reason="stop")],
        [Chunk('{"answers": null}', finish_reason="stop")],
        [Chunk(refusal="No.", finish_reason="stop")],
        [],
    ],
)
def test_what_is_no_list_of_answers_is_none(answer: list[Chunk]) -> None:
    assert Together(asked("How is Rome?", "How is Oslo?"), "").split(answer) is None


def test_an_answer_that_was_cut_filtered_or_calls_is_none() -> None:
    together = Together(asked("How is Rome?", "How is Oslo?"), "")
    for reason in ("length", "content_filter", "tool_calls"):
        assert together.split(answered(right(together), reason)) is None
    (chunk,) = answered(right(together))
    assert together.split([Chunk(chunk.content, finish_reason="stop", tool_calls=(ToolCall("x", {}),))]) is None


def swapped_ids(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first, second, *rest = entries
    return [{**first, "id": second["id"]}, {**second, "id": first["id"]}, *rest]


def swapped_answers_and_leads(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first, second, *rest = entries
    return [{**second, "id": first["id"]}, {**first, "id": second["id"]}, *rest]


WRONG: dict[str, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    "one is missing": lambda entries: entries[:-1],
    "none": lambda entries: [],
    "one is doubled": lambda entries: [*entries, entries[0]],
    "one in another's place": lambda entries: [entries[0], *entries[:-1]],
    "in another order": lambda entries: entries[::-1],
    "ids are swapped": swapped_ids,
    "all but the ids is swapped": swapped_answers_and_leads,
    "one more": lambda entries: [*entries, {"id": "extra", "about": "x", "answer": "y"}],
    "an id of its own": lambda entries: [{**entries[0], "id": "other"}, *entries[1:]],
    "no id": lambda entries: [{key: value for key, value in entries[0].items() if key != "id"}, *entries[1:]],
    "a field more": lambda entries: [{**entries[0], "note": "n"}, *entries[1:]],
    "nothing said": lambda entries: [{**entries[0], "answer": " "}, *entries[1:]],
    "no text": lambda entries: [{**entries[0], "answer": 7}, *entries[1:]],
    "it tells another's id": lambda entries: [{**entries[0], "answer": f"not {entries[1]['id']}"}, *entries[1:]],
}
questions = st.lists(st.text(min_size=1).filter(str.strip), min_size=2, max_size=8, unique_by=lead)


@given(questions, st.sampled_from(sorted(WRONG)))
def test_a_wrong_answer_is_nobodys(texts: list[str], wrong: str) -> None:
    together = Together(asked(*texts), "")
    assert together.split(answered(WRONG[wrong](right(together)))) is None


@given(questions)
def test_a_right_answer_is_everybodys_own_whatever_was_asked(texts: list[str]) -> None:
    together = Together(asked(*texts), "")
    assert together.split(answered(right(together))) == [f"On {text}" for text in texts]


@given(st.lists(st.text(), min_size=1, max_size=8), st.integers(0, 10_000), st.integers(0, 10_000))
def test_shares_add_up_to_what_was_used(answers: list[str], read: int, written: int) -> None:
    parts = [each for each in shares(Usage(read, written, read + written), answers) if each is not None]
    assert len(parts) == len(answers)
    assert sum(each.prompt_tokens for each in parts) == read
    assert sum(each.completion_tokens for each in parts) == written
    assert all(each.prompt_tokens >= 0 and each.completion_tokens >= 0 for each in parts)


def test_of_what_nobody_counted_nobody_has_a_share() -> None:
    assert shares(None, ["a", "b"]) == [None, None]
