"""How much the guards of input find, and how often they are wrong: shares by set and level."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
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
    outside = corpora.outside()
    made = [
        measure("S-Labs test", [row.text for row in s_labs if row.attack], attacks=True),
        measure("neuralchemy test", [row.text for row in neuralchemy if row.attack], attacks=True),
        measure("S-Labs test", [row.text for row in s_labs if not row.attack], attacks=False),
        measure("neuralchemy test", [row.text for row in neuralchemy if not row.attack], attacks=False),
        measure(
            "neuralchemy test without WildGuard's rows", [row.text for row in others if not row.attack], attacks=False
        ),
        measure("outside, all", [text for _, text in outside], attacks=False),
    ]
    kinds = sorted({kind for kind, _ in outside})
    return made + [
        measure(f"outside, {kind}", [text for each, text in outside if each == kind], attacks=False) for kind in kinds
    ]


def table(measured: Sequence[Measured]) -> str:
    """Markdown: recall and false positives of each set at each level, and of the patterns alone."""
    thresholds = injection.model().thresholds
    head = " | ".join(f"{level} (>= {thresholds[level]:.2f})" for level in LEVELS)
    lines = [f"| set | texts | {head} | patterns |", "|---|---|---|---|---|---|"]
    for each in measured:
        kind = "recall" if each.attacks else "false positives"
        shares = " | ".join(f"{each.above(thresholds[level]):.1%}" for level in LEVELS)
        lines.append(f"| {each.name}: {kind} | {len(each.scores)} | {shares} | {each.by_patterns:.1%} |")
    return "\n".join(lines)


def curve(measured: Sequence[Measured]) -> str:
    """Markdown: the same at other thresholds."""
    chosen = measured[:6]
    lines = [
        "| threshold | " + " | ".join(f"{each.name} {'recall' if each.attacks else 'FP'}" for each in chosen) + " |",
        "|---|" + "---|" * len(chosen),
    ]
    lines += [
        f"| {threshold:.1f} | " + " | ".join(f"{each.above(threshold):.1%}" for each in chosen) + " |"
        for threshold in CURVE
    ]
    return "\n".join(lines)
