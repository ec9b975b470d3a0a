"""Parts are the folded text, each character once, cut between words; matches see over every cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.normalise import fold
from regent_runtime.guard.parts import LONGEST_WORD, OVERLAP, STEP, parts

TEXTS = st.lists(
    st.sampled_from(["calm words. ", "\u200b" * 700, "\ufdfa", "\n", " " * 600, "\x00" * 600, "é" * 60, "x" * 600]),
    max_size=30,
).map(lambda words: "".join(word * 20 for word in words))


@given(TEXTS)
def test_parts_are_what_the_text_folds_to(text: str) -> None:
    made = list(parts(text))
    assert "".join(part.folded for part in made) == fold(text)
    assert all(len(part.folded) <= STEP + LONGEST_WORD for part in made)
    assert all(len(part.matched) <= len(part.folded) + OVERLAP for part in made)
    assert [part.end for part in made] == sorted(part.end for part in made)
    assert made[-1].end == len(text)


@given(TEXTS)
def test_words_are_not_cut(text: str) -> None:
    folded = [part.folded for part in parts(text) if part.folded]
    for before, after in pairwise(folded):
        assert before[-1].isspace() or len(before) - max(before.rfind(" "), before.rfind("\n")) > LONGEST_WORD, after


def test_an_ordinary_text_is_one_part() -> None:
    text = "calm words. " * 300
    assert [part.folded for part in parts(text)] == ["", text]


@pytest.mark.parametrize("hidden", ["\u200b", "\u0301", "\x00", "\u0085", " \n"])
@pytest.mark.parametrize("count", [OVERLAP, STEP, 3 * STEP])
@pytest.mark.parametrize("begin", range(0, STEP, 500))
def test_words_around_a_cut_are_matched_together(hidden: str, count: int, begin: int) -> None:
    text = "x " * (begin // 2) + "left " + hidden * count + " right"
    assert any("left" in part.matched and "right" in part.matched for part in parts(text))


def test_an_empty_text_is_a_part() -> None:
    assert [part.folded for part in parts("")] == [""]
