"""The text that comes out is the same however it was cut; under Deny nothing of a match comes out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.scan import Rule, RuleSet
from regent_runtime.guard.window import Treatment, Until, While, Window


class Ended(Exception):  # noqa: N818
    pass


WORD = Treatment(Rule("word", r"\bsecret[0-9]{0,4}\b"), "f", "word", ("Redact",), b"[WORD]")
PAIR = Treatment(Rule("pair", r"[a-c]{2,6}@[a-c]{2,6}"), "f", "pair", ("Redact",), b"[PAIR]")
TOKEN = Treatment(Rule("token", r"tk-[0-9]{2,4}"), "f", "token", ("Redact",), b"[TOKEN]", While(b"0123456789abc"))
KEY = Treatment(Rule("key", "BEGIN[0-9]"), "f", "key", ("Redact",), b"[KEY]", Until(b"END"))
EURO = Treatment(Rule("euro", "€{1,3}é?", is_utf8=True), "f", "euro", ("Redact",), b"[EURO]")
AUDITED = Treatment(Rule("audited", "@[a-c]"), "f", "audited", ("Audit",), None)
ALL = (WORD, PAIR, TOKEN, KEY, EURO, AUDITED)
PARTS = [
    "secret",
    "secret12",
    "ab@",
    "abc@cc",
    "tk-",
    "12",
    "345abc",
    "BEGIN",
    "1",
    "END",
    "EN",
    "D",
    " ",
    "x",
    "€",
    "é",
    "日",
    ".",
    "a",
    "@",
    "tk-99",
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


def windowed(treatments: tuple[Treatment, ...], pieces: list[str], seen: list[str] | None = None) -> str:
    told = [] if seen is None else seen
    rules = RuleSet(each.rule for each in treatments)
    window = Window(rules, {each.rule: each for each in treatments}, lambda each: told.append(each.reason))
    out = [window.feed(piece.encode()).decode() for piece in pieces]
    return "".join(out) + window.feed(b"", final=True).decode()


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


SIZES = st.lists(st.integers(0, 7), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing", "nothing"),
        ("a secret.", "a [WORD]."),
        ("ab@ab tk-1234567abcx", "[PAIR] [TOKEN]x"),
        ("BEGIN1 all of this END. And more", "[KEY]. And more"),
        ("BEGIN1 and no end", "[KEY]"),
        ("€€é日", "[EURO]日"),
        ("tk-12 secret", "[TOKEN] [WORD]"),
        ("aa@aa@aa", "[PAIR]@aa"),
    ],
)  # fmt: skip
def test_matches_are_rewritten(text: str, expected: str) -> None:
    assert windowed(ALL, [text]) == expected


@given(TEXTS, SIZES)
def test_the_text_does_not_depend_on_how_it_was_cut(text: str, sizes: list[int]) -> None:
    whole: list[str] = []
    pieces: list[str] = []
    assert windowed(ALL, cut(text, sizes), pieces) == windowed(ALL, [text], whole)
    assert pieces == whole


@given(TEXTS, SIZES, st.sampled_from(ALL))
def test_under_deny_a_prefix_of_the_redacted_text_goes_out(text: str, sizes: list[int], denied: Treatment) -> None:
    if denied.replacement is None:
        return

    def seen(treatment: Treatment) -> None:
        if treatment is denied:
            raise Ended

    window = Window(RuleSet(each.rule for each in ALL), {each.rule: each for each in ALL}, seen)
    sent = ""
    pieces = [*((piece, False) for piece in cut(text, sizes)), ("", True)]
    try:
        for piece, final in pieces:
            sent += window.feed(piece.encode(), final=final).decode()
    except Ended:
        assert windowed(ALL, [text]).startswith(sent)
    else:
        assert sent == windowed(ALL, [text])


@given(TEXTS, SIZES, st.sampled_from([WORD, PAIR, TOKEN, KEY, EURO]))
def test_under_deny_nothing_of_the_match_goes_out(text: str, sizes: list[int], denied: Treatment) -> None:
    def seen(_: Treatment) -> None:
        raise Ended

    window = Window(RuleSet([denied.rule]), {denied.rule: denied}, seen)
    found = denied.rule.compiled().search(text.encode())
    before = text.encode() if found is None else text.encode()[: found.start()]
    sent = b""
    with contextlib.suppress(Ended):
        for piece in cut(text, sizes):
            sent += window.feed(piece.encode())
        sent += window.feed(b"", final=True)
    assert before.startswith(sent)
    assert found is not None or sent == before


def test_what_cannot_match_goes_on_at_once() -> None:
    window = Window(RuleSet([PAIR.rule]), {PAIR.rule: PAIR}, lambda _: None)
    assert window.feed(b"The weather is fine ") == b"The weather is fine "


def test_memory_is_bounded_by_the_window() -> None:
    window = Window(RuleSet(each.rule for each in ALL), {each.rule: each for each in ALL}, lambda _: None)
    out = window.feed(b"BEGIN1 ")
    for _ in range(1000):
        out += window.feed(b"tk-1 secret ab@ab ")
        assert len(window._scanner.text) < 1024
    assert out == b"[KEY]"
