from hypothesis import given
from hypothesis import strategies as st

from regent_operator.engine.packed import packed, unpacked


@given(st.binary(max_size=20_000))
def test_a_text_comes_back_as_it_was(text: bytes) -> None:
    assert unpacked(packed(text)) == text
    assert packed(text) == packed(text)


def test_what_repeats_takes_a_third_or_less() -> None:
    text = b",".join(b'{"field":"size.max%d","value":"%d","from":[]}' % (number, number) for number in range(150))
    assert len(packed(text)) < len(text) / 3
