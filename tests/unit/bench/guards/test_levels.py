import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.policy import InjectionLevel
from tests.bench.guards.levels import bound, highest, lowest, lowest_of_mean, most_wrong, thresholds


@pytest.mark.parametrize(
    ("texts", "wrong"), [(10, -1), (298, -1), (299, 0), (472, 0), (473, 1), (627, 1), (628, 2), (1048, 4), (1049, 5)]
)
def test_so_few_may_be_wrong_that_the_share_of_all_texts_is_known_to_be_small(texts: int, wrong: int) -> None:
    """The sample sizes of reliability tests, 99 % with a confidence of 95 %: 299 without a failure, 473 with one ..."""
    assert most_wrong(texts, 0.01) == wrong


@given(st.integers(300, 2000), st.sampled_from([0.01, 0.03]))
def test_the_bound_of_what_may_be_wrong_is_the_share_or_less(texts: int, share: float) -> None:
    wrong = most_wrong(texts, share)
    assert bound(texts, wrong) <= share + 1e-9
    assert bound(texts, wrong + 1) > share


@given(st.integers(), st.integers(1, 3))
def test_at_the_lowest_threshold_no_set_has_more_wrong_than_it_may(seed: int, sets: int) -> None:
    chance = random.Random(seed)
    benign = [[chance.choice((0.0, 1.0, chance.gauss())) for _ in range(500)] for _ in range(sets)]
    threshold = lowest(benign, 0.01)
    assert all(sum(score >= threshold for score in each) <= most_wrong(len(each), 0.01) for each in benign)


def test_a_set_that_is_too_small_chooses_no_threshold() -> None:
    with pytest.raises(ValueError, match="100 texts"):
        lowest([[0.0] * 100], 0.01)


def test_at_the_highest_threshold_the_recall_is_reached_with_what_chance_takes() -> None:
    scores = [float(place) for place in range(1000)]
    threshold = highest(scores, 0.6)
    missed = sum(score < threshold for score in scores)
    assert bound(1000, missed) <= 0.4 < bound(1000, missed + 1)


BENIGN = [place / 100 for place in range(1000)]
FOUND = [(BENIGN, 0.6)]


def test_balanced_is_as_high_as_its_recall_allows_and_no_lower_than_its_false_positives_do() -> None:
    easy, hard = [[place / 1000 for place in range(1000)]], [BENIGN]
    assert thresholds(easy, easy, easy, FOUND)[InjectionLevel.BALANCED] == highest(BENIGN, 0.6)
    assert thresholds(hard, easy, easy, FOUND)[InjectionLevel.BALANCED] == lowest(hard, 0.005)


def test_of_several_sets_of_attacks_each_reaches_its_recall() -> None:
    easy = [[0.0] * 700]
    both = [*FOUND, ([place / 50 for place in range(1000)], 0.9)]
    assert thresholds(easy, easy, easy, both)[InjectionLevel.BALANCED] == min(highest(*each) for each in both)


def test_a_stricter_level_has_a_lower_threshold() -> None:
    found = thresholds([BENIGN], [[0.0] * 700], [[0.0]], FOUND)
    assert found[InjectionLevel.LENIENT] > found[InjectionLevel.BALANCED] > found[InjectionLevel.STRICT]


def test_of_documents_twice_as_many_may_be_wrong() -> None:
    found = thresholds([[0.0] * 700], [BENIGN], [[0.0]], [([0.0] * 500, 0.6)])
    assert found[InjectionLevel.BALANCED] == pytest.approx(lowest([BENIGN], 0.01))


def test_of_sources_that_were_not_learned_the_mean_counts() -> None:
    unknown = [BENIGN, [0.0] * 10]
    assert sum(score >= lowest_of_mean(unknown, 0.07) for score in BENIGN) == 140
    found = thresholds([[0.0] * 700], [[0.0] * 700], unknown, [([0.0] * 500, 0.6)])
    assert found[InjectionLevel.BALANCED] == lowest_of_mean(unknown, 0.07)
