from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.prompt.repeats import MARK, without_repeats

PASSAGE = (
    "The warehouse in Riga holds 4,200 pallets, and the one in Turku holds 1,150; both close at six in the evening."
)


def said(*texts: str, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": text} for text in texts]


def contents(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages]


def test_a_passage_that_stands_again_becomes_a_mark_and_the_first_stays() -> None:
    later = f"Look:\n\n{PASSAGE}\n\nWhat of it?"
    assert contents(without_repeats(said(PASSAGE, later))) == [PASSAGE, f"Look:\n\n{MARK}\n\nWhat of it?"]


def test_passages_that_repeat_in_a_row_become_one_mark() -> None:
    other = PASSAGE.replace("Riga", "Oslo")
    assert contents(without_repeats(said(f"{PASSAGE}\n\n{other}", f"{PASSAGE}\n\n{other}")))[1] == MARK


@pytest.mark.parametrize(
    "near",
    [
        PASSAGE.replace(" and ", "\nand "),
        f"> {PASSAGE}",
        f"* {PASSAGE}  ",
        PASSAGE.replace("The warehouse", "A warehouse"),
    ],
)
def test_white_space_marks_of_quotation_and_articles_make_no_other_passage(near: str) -> None:
    assert contents(without_repeats(said(PASSAGE, near))) == [PASSAGE, MARK]


@pytest.mark.parametrize(
    "other",
    [
        PASSAGE.replace("4,200", "4,300"),
        PASSAGE.replace("close", "never close"),
        PASSAGE.replace("Riga", "Oslo"),
        PASSAGE.replace("in Turku", "at Turku"),
        PASSAGE.replace(".", "?"),
        PASSAGE.replace("4,200", "-4,200"),
        PASSAGE.upper(),
    ],
)
def test_a_word_a_figure_or_a_sign_that_differs_makes_another_passage(other: str) -> None:
    assert contents(without_repeats(said(PASSAGE, other))) == [PASSAGE, other]


def test_short_passages_and_messages_that_instruct_stay() -> None:
    messages = [*said("Thanks.", "Thanks."), *said(PASSAGE, PASSAGE, role="system"), *said(PASSAGE)]
    assert without_repeats(messages) == messages


def test_calls_and_results_stay_paired() -> None:
    call = {"id": "call_0", "name": "stock", "arguments": {"at": "Riga"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": PASSAGE},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": PASSAGE, "tool_call_id": "call_0"},
    ]
    assert without_repeats(messages) == [*messages[:2], {"role": "tool", "content": MARK, "tool_call_id": "call_0"}]


passages = st.lists(st.sampled_from([PASSAGE, PASSAGE.replace("4", "7"), "Yes.", "\n\n", "  "]), max_size=6).map(
    "\n\n".join
)


@given(st.lists(passages, min_size=1, max_size=8), st.integers(0, 8))
def test_what_a_message_becomes_depends_on_nothing_after_it(texts: list[str], cut: int) -> None:
    messages = said(*texts)
    assert without_repeats(messages[:cut]) == without_repeats(messages)[:cut]


@given(st.lists(st.text(), max_size=6))
def test_texts_without_repeats_come_out_as_they_went_in(texts: list[str]) -> None:
    messages = said(*dict.fromkeys(f"{at} {text}" for at, text in enumerate(texts)))
    first = without_repeats(messages)
    assert all(MARK in new["content"] or new == old for old, new in zip(messages, first, strict=True))
