"""How much the guards of input find, and how often they are wrong: shares by set and level."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from regent_api.policy import InjectionLevel
from regent_runtime.guard import house, injection
from regent_runtime.guard.decoding import views
from regent_runtime.guard.normalise import fold
from regent_runtime.guard.patternset import PatternSet
from tests.bench.guards import corpora

LEVELS = (InjectionLevel.LENIENT, InjectionLevel.BALANCED, InjectionLevel.STRICT)
CURVE = tuple(half / 2 for half in range(1, 13))
"""Thresholds whose figures are printed beside those of the levels."""


@dataclass(frozen=True)
class Measured:
    """One set of texts of one kind."""

    name: str
    attacks: bool
    scores: Sequence[float]
    """Of the model, ascending."""
    matched: int
    """Texts in which a pattern of the house was found."""

    def above(self, threshold: float) -> float:
        """The share that scores at least so much."""
        return 1 - bisect_left(self.scores, threshold) / len(self.scores)

    @property
    def by_patterns(self) -> float:
        return self.matched / len(self.scores)


def measure(name: str, texts: Iterable[str], *, attacks: bool) -> Measured:
    plain, loose = PatternSet(house.plain()), PatternSet(house.loose())
    scores, matched = [], 0
    for text in texts:
        folded = fold(text)
        scores.append(injection.model().score(folded.encode("utf-8", "replace")))
        matched += any((loose if view.loose else plain).match(view.text) for view in views(folded))
    return Measured(name, attacks, sorted(scores), matched)


def sets() -> list[Measured]:
    """The test splits, and what lies outside both sets."""
    s_labs, neuralchemy = corpora.s_labs("test"), corpora.neuralchemy("test")
    others = corpora.neuralchemy("test", whole=False)
    return [
        measure("S-Labs test", [row.text for row in s_labs if row.attack], attacks=True),
        measure("neuralchemy test", [row.text for row in neuralchemy if row.attack], attacks=True),
        measure("S-Labs test", [row.text for row in s_labs if not row.attack], attacks=False),
        measure("neuralchemy test", [row.text for row in neuralchemy if not row.attack], attacks=False),
        measure(
            "neuralchemy test without WildGuard's rows", [row.text for row in others if not row.attack], attacks=False
        ),
        *outside(),
    ]


def outside() -> list[Measured]:
    """What lies outside both sets, in all and by kind. The texts are committed, so whoever has the repository has them."""
    texts = corpora.outside()
    kinds = sorted({kind for kind, _ in texts})
    return [
        measure("outside, all", [text for _, text in texts], attacks=False),
        *(measure(f"outside, {kind}", [text for each, text in texts if each == kind], attacks=False) for kind in kinds),
    ]


def table(measured: Sequence[Measured]) -> str:
    """Markdown: recall and false positives of each set at each level, and of the patterns alone."""
    thresholds = injection.model().thresholds
    head = " | ".join(f"{level} (>= {thresholds[level]:.2f})" for level in LEVELS)
    return "\n".join([f"| set | texts | {head} | patterns |", "|---|---|---|---|---|---|", *lines(measured)])


def lines(measured: Sequence[Measured]) -> Iterator[str]:
    """Of that table, one a set."""
    thresholds = injection.model().thresholds
    for each in measured:
        kind = "recall" if each.attacks else "false positives"
        shares = " | ".join(f"{each.above(thresholds[level]):.1%}" for level in LEVELS)
        yield f"| {each.name}: {kind} | {len(each.scores)} | {shares} | {each.by_patterns:.1%} |"


def curve(measured: Sequence[Measured]) -> str:
    """Markdown: the same at other thresholds."""
    chosen = measured[:6]
    rows = [
        "| threshold | " + " | ".join(f"{each.name} {'recall' if each.attacks else 'FP'}" for each in chosen) + " |",
        "|---|" + "---|" * len(chosen),
    ]
    rows += [
        f"| {threshold:.1f} | " + " | ".join(f"{each.above(threshold):.1%}" for each in chosen) + " |"
        for threshold in CURVE
    ]
    return "\n".join(rows)
