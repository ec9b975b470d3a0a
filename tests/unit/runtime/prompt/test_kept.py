from regent_runtime.prompt.kept import KEPT_SECONDS, LONGEST_KEPT, MOST_KEPT, KeptSummaries, key_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_summary_is_kept_for_a_while() -> None:
    clock = Clock()
    kept = KeptSummaries(clock)
    kept.put(b"a", "They met.")
    clock.now = KEPT_SECONDS - 1
    assert (kept.get(b"a"), kept.get(b"b")) == ("They met.", None)
    clock.now = KEPT_SECONDS
    assert kept.get(b"a") is None


def test_the_least_recently_used_goes_first_and_a_long_one_is_not_kept() -> None:
    kept = KeptSummaries(Clock())
    for number in range(MOST_KEPT):
        kept.put(b"%d" % number, str(number))
    assert kept.get(b"0") == "0"
    kept.put(b"more", "more")
    assert (kept.get(b"0"), kept.get(b"1"), kept.get(b"more")) == ("0", None, "more")
    kept.put(b"long", "x" * (LONGEST_KEPT + 1))
    assert kept.get(b"long") is None


def test_parts_that_are_cut_elsewhere_have_another_key() -> None:
    assert key_of(("ab", "c")) != key_of(("a", "bc"))
    assert key_of(("ab", "c")) == key_of(("ab", "c"))
