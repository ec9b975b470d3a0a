"""Pieces are the text, cut between characters, and none holds more digits than its share."""

from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.pieces import MOST_BYTES, MOST_DIGITS, pieces


@given(st.lists(st.sampled_from(["0123456789" * 9, "é" * 700, "x" * 3000, "1 ", "日", ""]), max_size=12).map("".join))
def test_pieces_are_the_text(text: str) -> None:
    cut = list(pieces(text.encode()))
    assert "".join(piece.decode() for piece in cut) == text
    assert all(0 < len(piece) <= MOST_BYTES + 3 for piece in cut)
    assert all(sum(48 <= byte <= 57 for byte in piece) <= MOST_DIGITS for piece in cut)
