"""Escaping in blocks; what becomes of a token is in test_special_tokens.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard import escaping
from regent_runtime.guard.escaping import LARGEST_BLOCK, Unbroken, blocks, escaped
from regent_runtime.guard.normalise import canonical
from regent_runtime.guard.special_tokens import escape
from regent_runtime.wire.request import ChatRequest


@given(st.lists(st.sampled_from(["\n", "word " * 100, "x" * 900, "\n\n"]), max_size=40).map("".join))
def test_blocks_make_up_the_text_and_are_short(text: str) -> None:
    made = list(blocks(text))
    assert "".join(made) == text
    assert all(len(block) <= LARGEST_BLOCK for block in made)


@given(
    st.lists(
        st.sampled_from(
            [
                *"<>|[]/# \n\t:=.,-s",
                "<s>",
                "[INST]",
                "<|im",
                "### System:",
                "</tool_call>",
                "a b",
                "\u200b",
                "\u0338",
                "＜",
                "word",
            ]
        ),
        max_size=60,
    ).map("".join)
)
def test_escaping_block_by_block_is_escaping_the_whole(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(escaping, "BLOCK", 12)
        patched.setattr(escaping, "LARGEST_BLOCK", 24)
        try:
            made = list(blocks(text))
        except Unbroken:
            return
    assert canonical("".join(map(escape, made))) == canonical(escape(text))


@pytest.mark.parametrize("text", ["<s>" + "< " * LARGEST_BLOCK, "<s>" + "\ufdfa" * (LARGEST_BLOCK // 18 + 1)])
async def test_what_cannot_be_cut_is_not_escaped_whole(text: str) -> None:
    """Neither as it stands nor in what it becomes."""
    with pytest.raises(Unbroken):
        await escaped(ChatRequest([{"role": "user", "content": text}], False, False, None, None, {}))
