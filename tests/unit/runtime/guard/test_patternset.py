import pytest

from regent_runtime.guard.patternset import PatternSet, ScanFailed


def test_every_pattern_that_a_text_holds_is_named() -> None:
    assert PatternSet(["cat", "dog", r"\bbird\b"]).match(b"a dog, a cat and birds") == [0, 1]


def test_patterns_are_read_as_re2_reads_them() -> None:
    patterns = PatternSet(["Cat", "(?i)Cat", "a.b", "(?s)a.b"])
    assert patterns.match(b"cat a\nb") == [1, 3]


@pytest.mark.parametrize("text", [b"", b"text", b"text\n", b"\xff"])
def test_no_pattern_matches_nothing(text: bytes) -> None:
    assert PatternSet([]).match(text) == []


def test_the_larger_its_patterns_the_less_a_set_may_match_at_once() -> None:
    sets = [
        PatternSet(["tulip"]),
        PatternSet(["tulip", "rose"]),
        PatternSet(["a.{200}b"]),
        PatternSet(["(?:a.{1,30}){30}z"]),
    ]
    assert [each.at_once for each in sets] == sorted((each.at_once for each in sets), reverse=True)
    assert sets[0].at_once > 4096
    assert sets[-1].at_once < 16


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "a{1001}", "((a{100}){100}){100}"])
def test_what_is_no_re2_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="RE2"):
        PatternSet([pattern])


def test_text_that_is_no_utf8_is_scanned_all_the_same() -> None:
    assert PatternSet(["cat"]).match(b"\xff\xfe cat \x80") == [0]


def test_a_scan_that_found_no_room_is_no_clean_text() -> None:
    patterns = PatternSet(["cat"])

    class OutOfMemory:
        """As RE2's binding answers: no error, and no match."""

        def Match(self, text: bytes) -> list[int]:  # noqa: N802
            return []

    patterns._automata = [(OutOfMemory(), 1)]
    with pytest.raises(ScanFailed):
        patterns.match(b"cat")


def test_patterns_that_are_too_large_together_are_all_matched() -> None:
    """As several policies make them, each of which is accepted."""
    large = [f"n{number:02d}(?:a.{{1,30}}){{28}}z" for number in range(64)]
    patterns = PatternSet([*large, "tulip"])
    assert len(patterns._automata) > 1
    text = b"n07" + b"ab" * 28 + b"z and n63" + b"ab" * 28 + b"z, tulip"
    assert patterns.match(text) == [7, 63, 64]
