"""The thresholds of the model's levels, by scores of texts that were not learned from.

False positives come first: a level is no lower than they allow. Every set counts by itself, and with the error of its
size: what holds of it holds, with CONFIDENCE, of all such texts (Clopper and Pearson's bound). Others will come from
elsewhere than what was learned, so a level leaves room for them: Balanced half of its goal of 1 %. Strict is as low as that
allows. Balanced is as high as its goals of recall allow besides, since nobody has texts of every kind that it will meet.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import exp, floor, lgamma, log, log1p

from regent_api.policy import InjectionLevel

CONFIDENCE = 0.95
FALSE_POSITIVES = {InjectionLevel.STRICT: 0.03, InjectionLevel.BALANCED: 0.005}
"""Share of what people and programs say to an assistant."""
DOCUMENTS = 2
"""Times that share of texts of other kinds."""
UNKNOWN = 14
"""Times that share, in the mean of sources, of texts whose source was not learned. Of neuralchemy's benign texts 7 % stem
from one that is not: .93 x .5 % + .07 x 7 % are 1 %."""
LENIENT = 1.5
"""Thresholds of Balanced; no set is large enough to tell a smaller share."""


def most_wrong(texts: int, share: float) -> int:
    """How many of so many benign texts a level may take for attacks; -1 where too few texts could show the share."""
    likely, wrong = 0.0, -1
    while (likely := likely + _likelihood(texts, wrong + 1, share)) <= 1 - CONFIDENCE:
        wrong += 1
    return wrong


def bound(texts: int, wrong: int) -> float:
    """The share of all such texts that, with CONFIDENCE, is not exceeded."""
    low, high = wrong / texts, 1.0
    for _ in range(40):
        share = (low + high) / 2
        if sum(_likelihood(texts, each, share) for each in range(wrong + 1)) <= 1 - CONFIDENCE:
            high = share
        else:
            low = share
    return high


def _likelihood(texts: int, wrong: int, share: float) -> float:
    ways = lgamma(texts + 1) - lgamma(wrong + 1) - lgamma(texts - wrong + 1)
    return exp(ways + wrong * log(share) + (texts - wrong) * log1p(-share))


def lowest(benign: Sequence[Sequence[float]], share: float) -> float:
    """The lowest threshold, in hundredths, that few enough scores of each set reach.

    Raises ValueError when a set is too small.
    """
    thresholds = []
    for scores in benign:
        wrong = most_wrong(len(scores), share)
        if wrong < 0:
            raise ValueError(f"{len(scores)} texts cannot show that a share is below {share}")
        thresholds.append(sorted(scores, reverse=True)[wrong])
    return (floor(100 * max(thresholds)) + 1) / 100


def lowest_of_mean(benign: Sequence[Sequence[float]], share: float) -> float:
    """The lowest threshold, in hundredths, that at most that share of the scores reaches, in the mean of the sets."""

    def reached(hundredths: int) -> float:
        return sum(sum(score >= hundredths / 100 for score in scores) / len(scores) for scores in benign) / len(benign)

    candidates = range(floor(100 * min(map(min, benign))), floor(100 * max(map(max, benign))) + 2)
    return candidates[bisect_left(candidates, -share, key=lambda hundredths: -reached(hundredths))] / 100


def highest(attacks: Sequence[float], recall: float) -> float:
    """The highest threshold, in hundredths, at which so many of a set are found that `recall` is known to be reached."""
    missed = bisect_left(range(len(attacks)), 1 - recall, key=lambda missed: bound(len(attacks), missed)) - 1
    return floor(100 * sorted(attacks)[max(0, missed)]) / 100


def thresholds(
    said: Sequence[Sequence[float]],
    documents: Sequence[Sequence[float]],
    unknown: Sequence[Sequence[float]],
    attacks: Sequence[tuple[Sequence[float], float]],
) -> dict[InjectionLevel, float]:
    """Of each level, by the scores of sets of benign texts, and of sets of attacks with the recall that is their goal."""
    found = {
        level: max(lowest(said, share), lowest(documents, DOCUMENTS * share), lowest_of_mean(unknown, UNKNOWN * share))
        for level, share in FALSE_POSITIVES.items()
    }
    balanced = max(found[InjectionLevel.BALANCED], min(highest(scores, recall) for scores, recall in attacks))
    return {**found, InjectionLevel.BALANCED: balanced, InjectionLevel.LENIENT: LENIENT * balanced}
