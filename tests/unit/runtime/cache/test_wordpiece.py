"""Pieces as the model's own tokenizer makes them (Hugging Face `tokenizers` with its tokenizer.json gave these)."""

import pytest

from regent_runtime.cache.wordpiece import MOST_PIECES, pieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [101, 102]),
        ("How do I reset my password?", [101, 2129, 2079, 1045, 25141, 2026, 20786, 1029, 102]),
        ("Grüße aus Köln — naïve café!", [101, 24665, 2226, 17499, 17151, 28306, 1517, 15743, 7668, 999, 102]),
        ("東京はどこ？", [101, 1879, 1755, 1672, 30192, 30181, 1994, 102]),
        ("x" * 101, [101, 100, 102]),
        ("a\tb\nc\x00d\u200be", [101, 1037, 1038, 3729, 2063, 102]),
        ("don't: $5.00 & 3/4", [101, 2123, 1005, 1056, 1024, 1002, 1019, 1012, 4002, 1004, 1017, 1013, 1018, 102]),
        ("🙂 antidisestablishmentarianism", [101, 100, 3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964, 102]),
    ],
)
def test_a_text_in_pieces(text: str, expected: list[int]) -> None:
    assert pieces(text) == expected


def test_a_long_text_is_cut_and_still_framed() -> None:
    made = pieces("word " * 500)
    assert (len(made), made[0], made[-1]) == (MOST_PIECES, 101, 102)
