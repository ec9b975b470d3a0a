"""Learns the injection model: `python -m tests.bench.guards.train`.

From the train splits, prompts of programs, manuals and texts of our own; the thresholds of the levels are chosen on texts
that were not learned from: the validation splits, manuals that were kept apart, programs and licences, and every other
benign text by a model that has not learned its half of the source, its kind, or its source at all. The test splits and
`outside.jsonl` stay for measuring: whatever equals one of their texts but for case, white space and punctuation is taken
out. Rows from WildGuard take part in neither. The same inputs give the same file.
"""

import argparse
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from regent_api.policy import InjectionLevel
from regent_runtime.guard import injection
from regent_runtime.guard.injection import InjectionModel
from tests.bench.guards import corpora, levels, negatives
from tests.bench.guards.rows import Rows, folded, rows

TARGET = Path(injection.__file__).with_name(injection.FILE)
SEED = 1
OWN = 18_000
EVERY_OWN, EVERY_MANUAL, EVERY_FUNCTION = 2, 3, 8
"""Of our own texts one of so many is learned; of the manuals that are kept apart, and of all functions, one is looked at."""
MOST_STRETCHES = 12
"""Of a benign text."""
LEAST_TEXTS = 700
"""Of a kind of our own texts; fewer can show no share of .5 %."""
ROUNDS, ITERATIONS = 2, 100
FOLDS = 5
REGULARISATION = 3.0
SMOOTHING = 1.0
"""Stretches of each class in which every run is taken to stand once more (Laplace's)."""
LEAST_CONTRAST = 1.0
RECALL = {"S-Labs": 0.6, "neuralchemy": 0.8}
"""What Balanced shall find."""
S_LABS, NEURALCHEMY, PROMPTS, MANUALS = "S-Labs", "neuralchemy", "prompts of programs", "manuals"
UNKNOWN = (S_LABS, NEURALCHEMY, PROMPTS, MANUALS)
"""Sources that are left out as a whole: texts that come from elsewhere."""
WEIGHTS = {S_LABS: 3.0, NEURALCHEMY: 3.0, PROMPTS: 3.0}
OWN_WEIGHT = 0.3
UNDECIDED = dict.fromkeys(InjectionLevel, 0.0)


@dataclass(frozen=True)
class Benign:
    """Benign texts of one set that are learned, or left out, together."""

    name: str
    part: str
    """With whatever bears the same name they are left out, for a model that has not learned them; "" is never left out."""
    texts: Sequence[str]
    weight: float
    """Of a stretch: what people wrote counts for more than what is put together from few sentences."""
    every: int = 1
    """Of the texts one of so many is learned."""


def learn(attacks: Rows, benign: Iterable[tuple[Rows, float]], rounds: int = ROUNDS) -> InjectionModel:
    """Of an attack the stretch that looks most like one counts, found anew each round; of benign texts, with the weight
    of a stretch, all do.

    Logistic regression whose penalty is lower for runs that tell attacks from benign texts by themselves: each is scaled
    by its log-count ratio, and the weights take that up (Wang and Manning, "Baselines and Bigrams", ACL 2012).
    """
    import numpy as np
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    matrices, by_source = zip(*((each.matrix, weight) for each, weight in benign), strict=True)
    quiet = sparse.vstack(matrices)
    heavy = np.repeat(by_source, [each.shape[0] for each in matrices])
    worst = attacks.begins[:-1]
    labels = np.r_[np.ones(len(worst)), np.zeros(len(heavy))]
    heavy = np.r_[np.full(len(worst), 1 / len(worst)), heavy / heavy.sum()] * len(labels) / 2
    for _ in range(rounds):
        learned = sparse.vstack([attacks.matrix[worst], quiet]).tocsr()
        scaling = contrast(learned, len(worst))
        fitting = LogisticRegression(C=REGULARISATION, max_iter=ITERATIONS)
        fitted = fitting.fit(learned @ sparse.diags(scaling), labels, heavy)
        weights = fitted.coef_[0] * scaling
        worst = attacks.worst(weights)
    return coded(weights, float(fitted.intercept_[0]))


def contrast(learned: Any, attacks: int) -> Any:
    """Of each slot: how far the shares of stretches that it stands in differ, by their logarithms, at a mean square of 1.

    The first `attacks` rows of the matrix are those of attacks.
    """
    import numpy as np

    stands = learned.astype(bool).astype("f")
    bad, good = (np.asarray(each.sum(axis=0)).ravel() for each in (stands[:attacks], stands[attacks:]))
    counts = [bad + SMOOTHING, good * attacks / (learned.shape[0] - attacks) + SMOOTHING]
    scaling = abs(np.subtract(*(np.log(each / each.sum()) for each in counts))) + LEAST_CONTRAST
    return (scaling / np.sqrt((scaling[bad + good > 0] ** 2).mean())).astype("f")


def coded(weights: Any, bias: float) -> InjectionModel:
    """As it is read from its file. The heaviest weight is the end of the scale: none is cut."""
    import numpy as np

    scale = float(abs(weights).max()) / injection.MOST_WEIGHT
    small = (np.rint(weights / scale) + injection.NOTHING).astype(np.uint8).tobytes()
    tables = small[: injection.SLOTS], small[injection.SLOTS :]
    return injection.loads(injection.dumps(InjectionModel(*tables, scale, bias, UNDECIDED)))


def scores(model: InjectionModel, texts: Iterable[str]) -> list[float]:
    return [model.score(folded(text)) for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET)
    target: Path = parser.parse_args().out
    corpora.install("data.txt", "train.txt")
    corpora.fetch(corpora.PROMPTED, "prompts.txt")
    attacked, sets = [row.text for split in corpora.learned().values() for row in split if row.attack], benign()
    used = chain(prompts().values(), attempts().values(), documents().values(), (each.texts for each in sets))
    corpora.check_apart(chain(attacked, *used), corpora.measured())
    attacks = rows(attacked)
    learned = [(rows(each.texts[:: each.every], MOST_STRETCHES), each.weight) for each in sets]
    model = learn(attacks, learned)

    def blind(out: Sequence[Benign]) -> Iterator[tuple[str, list[float]]]:
        """Name and scores of sets, by a model that has not learned them."""
        kept = [each for piece, each in zip(sets, learned, strict=True) if piece not in out]
        other = learn(attacks, kept, rounds=1)
        yield from ((piece.name, scores(other, piece.texts)) for piece in out)

    said = {name: scores(model, texts) for name, texts in prompts().items()}
    for part in dict.fromkeys(each.part for each in sets if each.part):
        for name, found in blind([each for each in sets if each.part == part]):
            said.setdefault(name, []).extend(found)
    unknown: dict[str, list[float]] = {}
    for source in UNKNOWN:
        for name, found in blind([each for each in sets if each.name == source]):
            unknown.setdefault(name, []).extend(found)
    read = {name: scores(model, texts) for name, texts in documents().items()}
    programs = {PROMPTS: said.pop(PROMPTS)}
    sought = [(scores(model, texts), RECALL[name]) for name, texts in attempts().items()]
    thresholds = levels.thresholds(list(said.values()), list(read.values()), list(unknown.values()), sought)
    model = replace(model, thresholds=thresholds)
    data = injection.dumps(model)
    target.write_bytes(data)
    left_out = {f"{name}, its source not learned": each for name, each in unknown.items()}
    sys.stdout.write(table(injection.loads(data), said | read | programs | left_out) + "\n")
    sys.stderr.write(f"{target}: {len(data)} bytes, scale {model.scale:.6f}, bias {model.bias:.3f}\n")


def benign() -> list[Benign]:
    """What is learned: the benign halves of the train splits, prompts of programs, manuals, and texts of our own."""
    sets: dict[tuple[str, str], list[str]] = {}
    for name, split in corpora.learned().items():
        for row in split:
            if not row.attack:
                sets.setdefault((name, fold(row.text)), []).append(row.text)
    for package, text in corpora.prompts():
        sets.setdefault((PROMPTS, fold(package)), []).append(text)
    sets[MANUALS, ""] = [text for name, text in corpora.manuals() if corpora.for_training(name)]
    kinds: dict[str, dict[str, None]] = {}
    for kind, text in negatives.texts(OWN, SEED):
        kinds.setdefault(kind, {})[text] = None
    return [
        *(Benign(name, part, texts, WEIGHTS.get(name, 1.0)) for (name, part), texts in sets.items()),
        *(
            Benign(kind, kind if len(texts) > LEAST_TEXTS else "", list(texts), OWN_WEIGHT, EVERY_OWN)
            for kind, texts in kinds.items()
        ),
    ]


def fold(key: str) -> str:
    return f"fold {zlib.crc32(key.encode()) % FOLDS}"


def prompts() -> dict[str, list[str]]:
    """What is said to an assistant in good faith, by set; none is learned from."""
    splits = corpora.for_levels()
    return {name: [row.text for row in split if not row.attack] for name, split in splits.items()}


def attempts() -> dict[str, list[str]]:
    """Attacks, by set; none is learned from."""
    return {name: [row.text for row in split if row.attack] for name, split in corpora.for_levels().items()}


def documents() -> dict[str, list[str]]:
    """What is read rather than said, by set; none is learned from."""
    return {
        "manuals": [text for name, text in corpora.manuals() if not corpora.for_training(name)][::EVERY_MANUAL],
        "programs": list(corpora.code(EVERY_FUNCTION)),
        "licences": corpora.licences(),
    }


def table(model: InjectionModel, benign: Mapping[str, Sequence[float]]) -> str:
    """Markdown: recall on the validation splits, and false positives with their bounds, at each level."""
    order = (InjectionLevel.LENIENT, InjectionLevel.BALANCED, InjectionLevel.STRICT)
    head = " | ".join(f"{level} (>= {model.thresholds[level]:.2f})" for level in order)
    lines = [f"| set | texts | {head} |", "|---|---|---|---|---|"]
    for name, texts in attempts().items():
        found = scores(model, texts)
        shares = (sum(score >= model.thresholds[level] for score in found) / len(found) for level in order)
        lines.append(f"| {name} validation: recall | {len(found)} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    for name, each in benign.items():
        wrong = [sum(score >= model.thresholds[level] for score in each) for level in order]
        cells = " | ".join(f"{count / len(each):.2%} (<= {levels.bound(len(each), count):.2%})" for count in wrong)
        lines.append(f"| {name}: false positives | {len(each)} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
