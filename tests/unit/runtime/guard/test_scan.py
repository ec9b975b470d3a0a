"""The same matches, however the text was cut."""

from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.scan import Judged, Rule, RuleSet, Scanner


def _second_half(candidate: bytes) -> Judged:
    return Judged([(len(candidate) // 2, len(candidate))], len(candidate) // 2 + 1)


RULES = RuleSet(
    [
        Rule("word", r"\bab{1,3}\b"),
        Rule("line", r"(?m)^c[^\n]{0,5}$"),
        Rule("users", "é{1,3}x|€{1,2}|(?i:kb)", is_utf8=True),
        Rule("judged", r"\bb[ab]{2,8}c", _second_half),
        Rule("end", r"d{1,4}\z"),
        Rule("bytes", r"[\xc3\x80-\xbf]{1,3}z"),
    ]
)  # fmt: skip
TEXTS = st.text("aabbbcd zx\néx€kKK", max_size=60)


def scanned(rules: RuleSet, pieces: list[str]) -> list[tuple[str, int, int]]:
    scanner, found = Scanner(rules), []
    for piece in pieces:
        found += scanner.feed(piece.encode())
        assert all(match.start < scanner.settled for match in found)
        scanner.drop(scanner.settled)
        assert len(scanner.text) <= rules.longest + 12 + 512 + len(piece.encode())
    found += scanner.feed(b"", final=True)
    return [(match.rule.name, match.start, match.end) for match in found]


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


@given(TEXTS, st.lists(st.integers(0, 9), max_size=30))
def test_matches_do_not_depend_on_how_the_text_is_cut(text: str, sizes: list[int]) -> None:
    assert scanned(RULES, cut(text, sizes)) == scanned(RULES, [text])


@given(TEXTS)
def test_matches_of_a_rule_are_what_re2_finds(text: str) -> None:
    rule = Rule("word", r"\bab{1,3}\b|z{2}")
    expected = [match.span() for match in rule.compiled().finditer(text.encode())]
    assert [(start, end) for _, start, end in scanned(RuleSet([rule]), list(text))] == expected


def test_plain_text_settles_at_once() -> None:
    scanner = Scanner(RuleSet([Rule("key", "sk-[a-z0-9]{20,40}")]))
    scanner.feed(b"The weather is fine today.")
    assert scanner.settled == 26


def test_what_may_become_a_match_does_not_settle() -> None:
    scanner = Scanner(RuleSet([Rule("key", "sk-[a-z0-9]{20,40}")]))
    scanner.feed(b"The key is sk-ab")
    assert scanner.settled == 11


def test_a_word_that_only_shares_its_first_letter_settles() -> None:
    scanner = Scanner(RuleSet([Rule("key", r"\bsk-[a-z0-9]{20,40}")]))
    scanner.feed(b"Tests so")
    assert scanner.settled == 8


def test_a_rule_without_bound_settles_at_the_end_alone() -> None:
    rules = RuleSet([Rule("long", "a+b")])
    scanner = Scanner(rules)
    assert (rules.is_windowed, scanner.feed(b"xxaab"), scanner.settled) == (False, [], 0)
    assert [(match.start, match.end) for match in scanner.feed(b"", final=True)] == [(2, 5)]


def test_a_rule_longer_than_the_window_is_not_windowed() -> None:
    assert RuleSet([Rule("at most", "a{512}")]).is_windowed
    assert RuleSet([Rule("longer", "a{513}")]).unbounded == ("longer",)


def test_without_rules_everything_settles() -> None:
    scanner = Scanner(RuleSet([]))
    assert (scanner.feed(b"abc"), scanner.settled) == ([], 3)
