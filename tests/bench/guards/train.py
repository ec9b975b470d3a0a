"""Learns the injection model: `python -m tests.bench.guards.train`.

From the train splits alone; the thresholds of the levels are chosen on the validation splits and on manuals that were
kept apart, so the test splits and `outside.jsonl` stay for measuring. Rows from WildGuard take part in neither. The
same inputs give the same file.
"""

import argparse
import sys
from array import array
from collections.abc import Iterable, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from regent_api.policy import InjectionLevel
from regent_runtime.guard import injection
from regent_runtime.guard.injection import InjectionModel
from regent_runtime.guard.normalise import fold
from tests.bench.guards import corpora, negatives

TARGET = Path(injection.__file__).with_name(injection.FILE)
SEED = 1
NEGATIVES = 16_000
MOST_STRETCHES = 24
"""Of a benign text."""
ROUNDS = 2
REGULARISATION = 10.0
STRICT_FALSE_POSITIVES = 0.01
"""Share of benign texts of each validation set that Strict may take for attacks."""
RECALL = {InjectionLevel.BALANCED: (0.6, 0.8), InjectionLevel.LENIENT: (0.4, 0.6)}
"""Share of the attacks of S-Labs' and of neuralchemy's validation split that a level finds: what is asked for and no
more, so that its false positives are as few as they can be."""

Runs = tuple[list[int], list[int], list[int]]


def runs_of(text: str) -> Runs:
    ones, twos, threes = map(list, injection.hashed(fold(text).encode("utf-8", "replace")))
    return ones, twos, threes


def within(runs: Runs, begin: int, end: int) -> list[int]:
    """The slots of a stretch, with repetitions."""
    return [
        slot & injection.SLOTS - 1
        for behind, each in enumerate(runs)
        for slot in each[begin : max(end - behind, begin)]
    ]


def matrix(stretches: Sequence[tuple[list[int], int]]) -> Any:
    """A row a stretch: how often each slot occurs in it, by the root of its length."""
    from scipy import sparse

    columns = array("i", (slot for slots, _ in stretches for slot in slots))
    pointers = array("q", [0])
    values = array("d")
    for slots, tokens in stretches:
        pointers.append(pointers[-1] + len(slots))
        values.extend([1 / sqrt(max(tokens, injection.LEAST_TOKENS))] * len(slots))
    made = sparse.csr_matrix((values, columns, pointers), shape=(len(stretches), injection.SLOTS))
    made.sum_duplicates()
    return made


def learn(attacks: Sequence[Runs], benign: Sequence[Runs]) -> InjectionModel:
    """Of an attack the stretch that looks most like one counts, found anew each round; of benign texts all do."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    spans = [(0, min(len(runs[0]), injection.WINDOW)) for runs in attacks]
    quiet = [
        (within(runs, begin, end), end - begin)
        for runs in benign
        for begin, end in list(injection.stretches(len(runs[0])))[:MOST_STRETCHES]
    ]
    for _ in range(ROUNDS):
        loud = [(within(runs, *span), span[1] - span[0]) for runs, span in zip(attacks, spans, strict=True)]
        fitted = LogisticRegression(C=REGULARISATION, max_iter=500, class_weight="balanced").fit(
            matrix(loud + quiet), np.r_[np.ones(len(loud)), np.zeros(len(quiet))]
        )
        weights = fitted.coef_[0].tolist()
        spans = [worst(runs, weights) for runs in attacks]
    scale = float(np.quantile(abs(fitted.coef_[0][fitted.coef_[0] != 0]), 0.9995)) / 127
    small = [max(-127, min(127, round(weight / scale))) for weight in weights]
    return InjectionModel(small, scale, float(fitted.intercept_[0]), {})


def worst(runs: Runs, weights: Sequence[float]) -> tuple[int, int]:
    def weight(span: tuple[int, int]) -> float:
        return sum(weights[slot] for slot in within(runs, *span)) / sqrt(max(span[1] - span[0], injection.LEAST_TOKENS))

    return max(injection.stretches(len(runs[0])), key=weight)


def scores(model: InjectionModel, texts: Iterable[str]) -> list[float]:
    return sorted(model.score(fold(text).encode("utf-8", "replace")) for text in texts)


def most_quiet(attacks: Sequence[float], recall: float) -> float:
    """The highest threshold that finds this share of (sorted) scores."""
    return attacks[int(len(attacks) * (1 - recall))]


def most_alert(benign: Sequence[Sequence[float]], share: float) -> float:
    """The lowest threshold that at most this share of each set of (sorted) scores reaches."""
    return max(each[len(each) - 1 - int(len(each) * share)] for each in benign) + 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET)
    target: Path = parser.parse_args().out
    corpora.install("data.txt", "train.txt")
    rows = dict.fromkeys((*corpora.s_labs("train"), *corpora.neuralchemy("train", whole=False)))
    learned = [text for name, text in corpora.manuals() if corpora.for_training(name)]
    kept = [text for name, text in corpora.manuals() if not corpora.for_training(name)]
    hard = dict.fromkeys(negatives.texts(NEGATIVES, SEED))
    model = learn(
        [runs_of(row.text) for row in rows if row.attack],
        [runs_of(text) for text in (*(row.text for row in rows if not row.attack), *learned, *hard)],
    )
    model = levelled(model, kept[::3])
    data = injection.dumps(model)
    target.write_bytes(data)
    sys.stderr.write(f"{target}: {len(data)} bytes, {len(rows)} labelled, {len(learned)} manuals, {len(hard)} made\n")
    sys.stderr.write(f"thresholds {model.thresholds}, scale {model.scale:.4f}, bias {model.bias:.3f}\n")


def levelled(model: InjectionModel, manuals: Iterable[str]) -> InjectionModel:
    """The model with the thresholds of its levels."""
    benign = [
        scores(model, [row.text for row in corpora.s_labs("validation") if not row.attack]),
        scores(model, [row.text for row in corpora.neuralchemy("validation", whole=False) if not row.attack]),
        scores(model, manuals),
    ]
    attacks = [
        scores(model, [row.text for row in rows if row.attack])
        for rows in (corpora.s_labs("validation"), corpora.neuralchemy("validation", whole=False))
    ]
    thresholds = {level: min(map(most_quiet, attacks, recalls)) for level, recalls in RECALL.items()}
    thresholds[InjectionLevel.STRICT] = most_alert(benign, STRICT_FALSE_POSITIVES)
    return InjectionModel(model.weights, model.scale, model.bias, thresholds)


if __name__ == "__main__":
    main()
