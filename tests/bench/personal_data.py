"""`make bench-guards`: recall on labelled sentences, and false positives on numbers that are nobody's."""

from collections import Counter
from dataclasses import dataclass

from regent_runtime.guard.personal_data import RULES, find
from tests.bench.labelled import decoys, labelled


@dataclass(frozen=True)
class Measured:
    """Shares of sentences. `recall` by detector: the whole value was found, by whichever detector."""

    recall: dict[str, float]
    false_positives: float
    by_detector: dict[str, int]


def measure(seed: int, each: int) -> Measured:
    total: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for sentence in labelled(seed, each):
        total[sentence.detector] += 1
        start = sentence.text.index(sentence.value)
        end = start + len(sentence.value)
        findings = find(sentence.text, RULES)
        seen[sentence.detector] += any(found.start <= start and found.end >= end for found in findings)
    wrong: Counter[str] = Counter()
    count = each * 4
    hits = 0
    for text in decoys(seed, count):
        findings = find(text, RULES)
        hits += bool(findings)
        wrong.update(finding.detector for finding in findings)
    return Measured({name: seen[name] / total[name] for name in total}, hits / count, dict(wrong))
