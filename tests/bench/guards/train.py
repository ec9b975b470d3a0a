"""Learns the injection model: `python -m tests.bench.guards.train`.

From the train splits alone; the thresholds of the levels are chosen on texts that were not learned from: the validation
splits, manuals that were kept apart, programs and licences, and each kind of our own texts by a model that has not
learned that kind. The test splits and `outside.jsonl` stay for measuring: whatever equals one of their texts but for case,
white space and punctuation is taken out. Rows from WildGuard take part in neither. The same inputs give the same file.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
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
NEGATIVES = 18_000
MOST_STRETCHES = 24
"""Of a benign text."""
ROUNDS = 2
REGULARISATION = 10.0
EVERY_MANUAL, EVERY_FUNCTION = 3, 8
"""Of the manuals that are kept apart, and of all functions, one of so many is looked at."""
LEAST_TEXTS = 300
"""Of a kind of our own texts; fewer can show no share of 1 %."""
RECALL = {"S-Labs": 0.6, "neuralchemy": 0.8}
"""What Balanced shall find."""
UNDECIDED = dict.fromkeys(InjectionLevel, 0.0)


def learn(attacks: Rows, benign: Iterable[Rows], rounds: int = ROUNDS) -> InjectionModel:
    """Of an attack the stretch that looks most like one counts, found anew each round; of benign texts all do."""
    import numpy as np
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    quiet = sparse.vstack([each.matrix for each in benign])
    worst = attacks.begins[:-1]
    for _ in range(rounds):
        learned = sparse.vstack([attacks.matrix[worst], quiet]).tocsr()
        labels = np.r_[np.ones(len(worst)), np.zeros(quiet.shape[0])]
        fitted = LogisticRegression(C=REGULARISATION, max_iter=500, class_weight="balanced").fit(learned, labels)
        worst = attacks.worst(fitted.coef_[0])
    return coded(fitted.coef_[0], float(fitted.intercept_[0]))


def coded(weights: Any, bias: float) -> InjectionModel:
    """As it is read from its file. The heaviest weight is the end of the scale: none is cut."""
    import numpy as np

    scale = float(abs(weights).max()) / injection.MOST_WEIGHT
    small = (np.rint(weights / scale) + injection.NOTHING).astype(np.uint8).tobytes()
    return injection.loads(injection.dumps(InjectionModel(small, scale, bias, UNDECIDED)))


def scores(model: InjectionModel, texts: Iterable[str]) -> list[float]:
    return [model.score(folded(text)) for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET)
    target: Path = parser.parse_args().out
    corpora.install("data.txt", "train.txt")
    manuals = [text for name, text in corpora.manuals() if corpora.for_training(name)]
    labelled = corpora.learned()
    attacks = rows(row.text for row in labelled if row.attack)
    seen = rows((*(row.text for row in labelled if not row.attack), *manuals), MOST_STRETCHES)
    kinds: dict[str, dict[str, None]] = {}
    for kind, text in negatives.texts(NEGATIVES, SEED):
        kinds.setdefault(kind, {})[text] = None
    sets = [*kinds.values(), *prompts().values(), *attempts().values(), *documents().values()]
    used = (*(row.text for row in labelled), *manuals, *chain.from_iterable(sets))
    corpora.check_apart(used, corpora.measured())
    made = {kind: rows(texts, MOST_STRETCHES) for kind, texts in kinds.items()}
    model = learn(attacks, [seen, *made.values()])
    said = {name: scores(model, texts) for name, texts in prompts().items()}
    for kind in (kind for kind, texts in kinds.items() if len(texts) > LEAST_TEXTS):
        blind = learn(attacks, [seen, *(each for other, each in made.items() if other != kind)], rounds=1)
        said[f"{kind}, not learned"] = scores(blind, kinds[kind])
    read = {name: scores(model, texts) for name, texts in documents().items()}
    sought = [(scores(model, texts), RECALL[name]) for name, texts in attempts().items()]
    thresholds = levels.thresholds(list(said.values()), list(read.values()), sought)
    data = injection.dumps(InjectionModel(model.weights, model.scale, model.bias, thresholds))
    target.write_bytes(data)
    sys.stdout.write(table(injection.loads(data), said | read) + "\n")
    sys.stderr.write(f"{target}: {len(data)} bytes, scale {model.scale:.6f}, bias {model.bias:.3f}\n")


def prompts() -> dict[str, list[str]]:
    """What is said to an assistant in good faith, by set; none is learned from."""
    splits = corpora.for_levels()
    return {f"{name} validation": [row.text for row in split if not row.attack] for name, split in splits.items()}


def attempts() -> dict[str, list[str]]:
    """Attacks, by set; none is learned from."""
    return {name: [row.text for row in split if row.attack] for name, split in corpora.for_levels().items()}


def documents() -> dict[str, list[str]]:
    """What is not, by set; none is learned from."""
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
