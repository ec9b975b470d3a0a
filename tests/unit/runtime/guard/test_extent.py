"""Whatever RE2 finds lies within the extent that was read from its pattern."""

import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.extent import Head, byte_class
from regent_runtime.guard.patternreader import Unmeasured, extent
from regent_runtime.guard.scan import compiled

ATOMS = ["a", "k", "S", "é", "€", "\\d", "\\w", "\\s", ".", "[a-f]", "[^b]", "[é-ü]", "[^\\s]", "[[:alpha:]]", "[\\]x-]", "\\x41",
         "\\x{20ac}", "\\pL", "\\p{Greek}", "\\Qa.b\\E", "\\.", "\\b", "^", "$", "\\z", "\\t", "\\101", "[\\d_]", "]", "{", "}", "a{,2}", "[a-]"]  # fmt: skip
QUANTIFIERS = ["", "", "", "?", "{2}", "{1,3}", "{0,2}", "*", "+", "+?", "{2,}"]


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and draw(st.booleans()):
            opening = draw(st.sampled_from(["(", "(?:", "(?i:", "(?P<n>", "(?s-i:"]))
            inner = "|".join(draw(st.lists(patterns(depth=depth - 1), min_size=1, max_size=3)))
            part = f"{opening}{inner})" if opening != "(?P<n>" else f"({inner})"
        else:
            part = draw(st.sampled_from(ATOMS))
        quantifier = draw(st.sampled_from(QUANTIFIERS))
        if part in {"\\b", "^", "$", "\\z", "\\Qa.b\\E", "a{,2}"}:
            quantifier = ""
        parts.append(part + quantifier)
    return draw(st.sampled_from(["", "(?i)"])) + "".join(parts)


TEXTS = st.text("aAbkK\u017fsSKé€ü. ]{},-_x1\n\tΩω日", max_size=24)


@given(patterns(), st.lists(TEXTS, min_size=4, max_size=8))
def test_every_match_lies_within_the_extent(pattern: str, texts: list[str]) -> None:
    try:
        found = compiled(pattern, is_utf8=True)
    except re2.error:
        return
    try:
        measured = extent(pattern)
    except Unmeasured:
        assert "\\E{" in pattern, "only what may be a repeated quotation is left unmeasured"
        return
    for text in texts:
        for match in found.finditer(text.encode()):
            matched = match.group()
            assert measured.shortest <= len(matched)
            assert measured.longest is None or len(matched) <= measured.longest
            assert all(measured.alphabet >> byte & 1 for byte in matched)
            assert not matched or measured.first >> matched[0] & 1
            at_word = _is_boundary(text.encode(), match.start())
            assert any(_begins(matched, head) and at_word >= head.at_word for head in measured.heads)


def _begins(matched: bytes, head: Head) -> bool:
    fits = all(mask >> byte & 1 for mask, byte in zip(head.masks, matched, strict=False))
    return fits and (len(matched) == len(head.masks) if head.is_whole else len(matched) >= len(head.masks))


def _is_boundary(text: bytes, at: int) -> bool:
    before, after = re.match(rb"\w", text[at - 1 : at]), re.match(rb"\w", text[at : at + 1])
    return (at > 0 and before is not None) != (after is not None)


def test_heads_tell_the_first_bytes_of_each_alternative_one_by_one() -> None:
    measured = extent(r"\b(?:sk-|gh[ps])[0-9]{2,4}")
    assert {tuple(_letters(mask) for mask in head.masks[:3]) for head in measured.heads} == {
        ("s", "k", "-"),
        ("g", "h", "ps"),
    }
    assert {len(head.masks) for head in measured.heads} == {5}
    assert not any(head.is_whole for head in measured.heads)
    assert all(head.at_word for head in measured.heads)


def test_of_very_many_alternatives_one_head_stands_for_all() -> None:
    words = [f"{first}{second}" for first in "abcd" for second in "stuvwxyz"]
    assert len(extent("|".join(words)).heads) == 32
    (head,) = extent("|".join([*words, "eye"])).heads
    assert [_letters(mask) for mask in head.masks] == ["abcde", "stuvwxyz"]
    assert not head.is_whole


def test_of_very_many_combinations_the_first_part_is_told() -> None:
    heads = extent("(?:ab|cd)(?:x|yy|" + "|".join(f"{n:03}" for n in range(30)) + ")").heads
    assert {tuple(_letters(mask) for mask in head.masks) for head in heads} == {("a", "b"), ("c", "d")}
    assert not any(head.is_whole for head in heads)


def test_only_what_stands_at_the_border_of_a_word_in_every_case_is_told_to() -> None:
    for pattern in (r"-\bx", r"(?:-|\bx)y", r"(?:\b)?xy", "|".join(["y", *(rf"\bx{n:02}" for n in range(40))])):
        assert not all(head.at_word for head in extent(pattern).heads), pattern
    for pattern in (r"\bx-", r"(?:\b|\b-)x", r"z{0}\bx", "|".join(rf"\bx{n:02}" for n in range(40))):
        assert all(head.at_word for head in extent(pattern).heads), pattern


def _letters(mask: int) -> str:
    return "".join(chr(byte) for byte in range(256) if mask >> byte & 1)


@pytest.mark.parametrize(
    ("pattern", "longest"),
    [
        ("abc", 3), ("a{2,5}", 5), ("(ab|cde)?x", 4), ("a*", None), ("a+b", None), ("é", 2), ("[é]", 4), ("(?i)k", 3), ("^$", 0),
        ("a{,3}", 5), ("\\Qa+\\E", 2), (".", 4), ("(?:a{10}){10}", 100),
    ],
)  # fmt: skip
def test_the_longest_match_is_counted_in_bytes(pattern: str, longest: int | None) -> None:
    assert extent(pattern).longest == longest


@pytest.mark.parametrize("pattern", ["(a", "[a", "a\\", "(?=a)", "\\1", "\\q", "a{1001}", "[[:nothing:]]", "(" * 9000])
def test_what_is_not_understood_is_not_measured(pattern: str) -> None:
    with pytest.raises(Unmeasured):
        extent(pattern)


def test_the_complement_of_a_class_of_bytes_is_exact() -> None:
    measured = extent("<[^>]*>", latin1=True)
    assert measured.first == 1 << ord("<")
    assert extent("[^>]", latin1=True).alphabet == (1 << 256) - 1 - (1 << ord(">"))


def test_a_byte_class_matches_its_bytes_alone() -> None:
    pattern = compiled(byte_class(1 << 0x41 | 1 << 0xFF), is_utf8=False)
    assert [byte for byte in range(256) if pattern.search(bytes([byte]))] == [0x41, 0xFF]
