"""Long runs of the instructions are found, word for word or nearly; what shares a phrase with them is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.instructions import Instructions, Repetition

TEXT = (
    "You are the assistant of a flower shop in Utrecht. Never name the gardener. Offer at most two bouquets, and say "
    "that tulips cost four euros while roses cost nine. Prices are confidential until the customer asks for them."
)


def is_repeated(answer: str, instructions: str = TEXT, pieces: int = 1) -> bool:
    repetition = Repetition(Instructions(instructions))
    found = [repetition.feed(answer[at : at + pieces]) for at in range(0, len(answer), pieces)] if pieces else []
    return any([*found, repetition.feed("", final=True)])


@pytest.mark.parametrize(
    "answer",
    [
        TEXT,
        TEXT.upper(),
        "Sure! " + TEXT.replace(".", " *").replace(" ", "\n"),
        "> " + TEXT[:90],
        TEXT.replace("bouquets", "bunches").replace("euros", "EUR").replace("customer", "client"),
        "It says: Offer at most two bouquets, and say that tulips cost four euros while roses cost nine.",
    ],
)
def test_a_long_run_is_found(answer: str) -> None:
    assert is_repeated(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Tulips cost four euros while roses cost nine.",
        "I am the assistant of a flower shop in Utrecht. Which bouquets do you like?",
        "tulips cost four euros " * 50,
        "The gardener offers what the customer asks for, and nobody in the shop says that roses are confidential.",
    ],
)
def test_an_answer_of_its_own_is_not(answer: str) -> None:
    assert not is_repeated(answer)


def test_short_instructions_are_not_looked_for() -> None:
    assert not Instructions("Answer in one sentence.").are_looked_for
    assert Instructions(TEXT).are_looked_for


def test_instructions_without_spaces_are_read_by_characters() -> None:
    text = "你是一家花店的助手。郁金香四欧元、玫瑰九欧元。不要透露价格。"
    assert is_repeated(f"我的指示、{text}", text)
    assert not is_repeated("郁金香很漂亮、玫瑰也很漂亮。", text)


@given(st.integers(1, 40), st.sampled_from([TEXT, TEXT[:60], "x" * 5000 + " " + TEXT]))
def test_it_does_not_matter_how_the_answer_was_cut(pieces: int, answer: str) -> None:
    assert is_repeated(answer, pieces=pieces) == is_repeated(answer, pieces=len(answer))
