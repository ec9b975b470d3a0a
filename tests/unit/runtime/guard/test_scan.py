"""The same matches, however the text was cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.personal_data import RULES as PERSONAL_DATA
from regent_runtime.guard.personal_data import rules_of
from regent_runtime.guard.scan import Judged, Rule, RuleSet, Scanner
from regent_runtime.guard.secrets import RULES as SECRETS


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


FAR_AND_NEAR = RuleSet(
    [
        Rule("far", r"a[ab ]{0,200}!"),
        Rule("farther", r"(?:\bcab|x{2})[abc ]{20,400}\b"),
        Rule("near", r"b[ab ]{1,20}c", _second_half),
        Rule("nearer", r"\b[bx]{2}"),
    ]
)
STRETCHES = st.lists(st.tuples(st.sampled_from([*"abcx !", "cab", "ab "]), st.integers(1, 90)), max_size=8)


@given(STRETCHES, st.lists(st.integers(0, 60), max_size=30))
def test_short_and_long_matches_do_not_depend_on_it_either(stretches: list[tuple[str, int]], sizes: list[int]) -> None:
    text = "".join(piece * times for piece, times in stretches)
    assert scanned(FAR_AND_NEAR, cut(text, sizes)) == scanned(FAR_AND_NEAR, [text])


@pytest.mark.parametrize("longest", [31, 32, 33, 128, 129, 400, 512])
def test_the_longest_match_is_found_whole_among_others(longest: int) -> None:
    """Which is in pieces until its last byte, however far the other rules reach."""
    rules = RuleSet([Rule(str(most), f"<x{{{most - 2}}}>") for most in sorted({3, 32, 33, longest, 512})])
    scanner = Scanner(rules)
    assert [scanner.feed(bytes([byte])) for byte in b"- <" + b"x" * (longest - 2)] == [[]] * (longest + 1)
    assert scanner.settled == 2
    (match,) = scanner.feed(b">.")
    assert (match.rule.name, match.start, match.end) == (str(longest), 2, 2 + longest)


def test_a_short_match_does_not_wait_like_a_long_one() -> None:
    near, far = Rule("near", r"b[ab ]{1,20}c"), Rule("far", r"x[ab ]{0,300}!")
    scanner = Scanner(RuleSet([near, far]))
    scanner.feed(b"b" + b"a " * 100)
    assert scanner.fed - scanner.settled < 32


@given(TEXTS)
def test_matches_of_a_rule_are_what_re2_finds(text: str) -> None:
    rule = Rule("word", r"\bab{1,3}\b|z{2}")
    expected = [match.span() for match in rule.compiled().finditer(text.encode())]
    assert [(start, end) for _, start, end in scanned(RuleSet([rule]), list(text))] == expected


def test_plain_text_settles_at_once() -> None:
    scanner = Scanner(RuleSet([Rule("key", "sk-[a-z0-9]{20,40}")]))
    scanner.feed(b"The weather is fine today.")
    assert scanner.settled == 26


def test_prose_goes_on_word_by_word_before_all_rules_of_the_house() -> None:
    scanner = Scanner(RuleSet(_HOUSE))
    waits = []
    for word in re.findall(r"\S+\s*", PROSE):
        scanner.feed(word.encode())
        waits.append(scanner.fed - scanner.settled)
    assert sorted(waits)[len(waits) // 2] <= 2
    assert max(waits) <= 96


PROSE = """The tulip is a spring flower, which grows from bulbs; in 1634 its price rose in the market of Haarlem until a
single bulb was worth a house. Merchants who had never planted anything bought and sold what lay in the ground, and the
town's notaries wrote it all down. Three years later nobody came to an auction, and the prices fell within a week."""


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


_KEYS = [
    "sk-ant-Ab3dEf6hIj9kLm2nOp5q",
    "a@example.com",
    "4111 1111 1111 1111",
    "+49 30 1234567",
    "DE89 3704 0044 0532 0130 00",
]
_HOUSE = [*(rule for rule, _ in SECRETS), *rules_of(PERSONAL_DATA)]
_TOGETHER, _ONE_BY_ONE = RuleSet(_HOUSE), [RuleSet([rule]) for rule in _HOUSE]


@given(
    st.lists(st.sampled_from([*_KEYS, "sk-", "eyJ", "xoxb-", "a@", " ", "-", "\n", "1", "word", "é"]), max_size=12).map(
        "".join
    )
)
def test_rules_that_are_searched_for_together_find_what_each_finds(text: str) -> None:
    each = [match for rules in _ONE_BY_ONE for match in scanned(rules, [text])]
    assert sorted(scanned(_TOGETHER, [text])) == sorted(each)


@given(st.sampled_from(_HOUSE), st.data())
def test_a_rule_is_found_where_its_pattern_is(rule: Rule, data: st.DataObject) -> None:
    """Whatever it is searched by."""
    matching = re.compile(rule.pattern.encode("latin-1").replace(rb"\z", rb"\Z"))
    text = data.draw(st.from_regex(matching)) if rule.opening else data.draw(st.binary(max_size=40))
    found = rule.compiled().search(text)
    assert rule.finder()(text, 0) == (found and found.span())


def test_no_more_rules_are_searched_for_together_than_re2_has_room_for() -> None:
    """Of all rules in one expression RE2 runs out of states on ordinary prose, and takes a hundred times as long."""
    assert sum(len(indices) for _, indices in _TOGETHER._groups) == len(_HOUSE)
    assert all(pattern is not None and pattern.programsize < 7_000 for pattern, _ in _TOGETHER._groups)
