from decimal import Decimal

import pytest

from regent_runtime.cache.entry import LARGEST_TEXT, Gathered, decode, encode, entry
from regent_runtime.wire.answer import Chunk, ToolCall, Usage

END = Chunk(finish_reason="stop")


def gathered(*chunks: Chunk) -> str | None:
    made = Gathered()
    for chunk in chunks:
        made.saw(chunk)
    return made.text


def test_an_entry_reads_back() -> None:
    kept = entry("Grüße", "one", "one-model", Decimal("0.000120"))
    assert decode(encode(kept)) == kept
    assert kept.saved == Decimal("0.00012")
    assert entry("Hi", "one", "one-model", None).saved is None


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x95", encode(entry("Hi", "a", "b", None))[:-1] + b"\x02"])
def test_what_this_version_did_not_write_is_none(content: bytes) -> None:
    assert decode(content) is None


def test_it_is_given_again_whole_and_for_nothing() -> None:
    assert entry("Hi", "one", "m", None).again() == Chunk("Hi", finish_reason="stop", usage=Usage(0, 0, 0))


def test_the_pieces_of_an_answer_make_its_text() -> None:
    assert gathered(Chunk("Hel"), Chunk(), Chunk("lo"), END, Chunk(usage=Usage(1, 1, 2))) == "Hello"
    assert gathered(Chunk("Hello", finish_reason="stop")) == "Hello"


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [END],
        [Chunk("Hel")],
        [Chunk("Hel", finish_reason="length")],
        [Chunk("Hel", finish_reason="content_filter")],
        [Chunk("Hel"), Chunk(refusal="No."), END],
        [Chunk("Hel", finish_reason="tool_calls", tool_calls=(ToolCall("f", {}),))],
        [Chunk("Hel"), Chunk(tool_calls=(ToolCall("f", {}),), finish_reason="stop")],
        [Chunk("x" * LARGEST_TEXT), Chunk("y"), END],
    ],
    ids=["nothing", "empty", "no-end", "cut", "filtered", "refusal", "tool", "tool-with-stop", "long"],
)
def test_what_is_not_a_whole_answer_of_words_is_not_kept(chunks: list[Chunk]) -> None:
    assert gathered(*chunks) is None
