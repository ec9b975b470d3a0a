"""Whatever a tokenizer makes of a text, it makes no more tokens of it than the bound says."""

import unicodedata

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.cost.bound import LONG_FORMS, UNSEEN_TOKENS, input_tokens_at_most

texts = st.one_of(st.text(), st.text(alphabet="ﷺ﷽ᾂ각\u1d160\u0958e\u0301", min_size=1))
messages = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts), min_size=1, max_size=8)
AROUND_A_MESSAGE = 8
"""Special tokens that chat templates put around one: begin, role, line end, end, line end, and to spare."""


def body_of(said: list[tuple[str, str]]) -> bytes:
    return msgspec.json.encode({"messages": [{"role": role, "content": text} for role, text in said]})


@given(messages, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD", None]))
def test_a_token_for_each_byte_of_every_form_stays_within_the_bound(
    said: list[tuple[str, str]], form: str | None
) -> None:
    normal = [unicodedata.normalize(form, text) if form else text for _, text in said]  # type: ignore[arg-type]
    worst = sum(len(text.encode()) + AROUND_A_MESSAGE for text in normal)
    assert worst <= input_tokens_at_most(body_of(said)) - UNSEEN_TOKENS


def test_the_bound_of_plain_text_is_its_length() -> None:
    assert input_tokens_at_most(b"x" * 1000) == 1000 + UNSEEN_TOKENS


def test_letters_that_a_tokenizer_takes_apart_count_with_their_parts() -> None:
    assert input_tokens_at_most("ﷺ".encode()) == 33 + UNSEEN_TOKENS


def test_the_longest_forms_begin_as_is_said_and_composing_never_lengthens() -> None:
    for point in (*range(0x80, 0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20)):
        letter = chr(point)
        size = len(letter.encode())
        forms = {form: len(unicodedata.normalize(form, letter).encode()) for form in ("NFC", "NFD", "NFKC", "NFKD")}
        assert forms["NFC"] <= max(forms["NFD"], size)
        assert forms["NFKC"] <= max(forms["NFKD"], size)
        assert max(forms.values()) <= (11 if letter.encode().startswith(LONG_FORMS) else 6) * size
