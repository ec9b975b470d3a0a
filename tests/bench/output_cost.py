"""`make bench-guards`: what screening costs beside a bare RE2 scan of the same text, in the same run.

Best of the rounds, in process CPU time: a busy machine changes the ratios little.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import re2

from regent_runtime.guard import personal_data
from regent_runtime.guard.links import image_rules, link_rules
from regent_runtime.guard.pieces import pieces
from regent_runtime.guard.scan import Rule, RuleSet
from regent_runtime.guard.secrets import RULES as SECRETS
from regent_runtime.guard.window import Treatment, Window

PROSE = "The quick brown fox jumps over the lazy dog, and nobody at the office minds it at all. "
DENSE = "Call 030 1234567 or 4111 1111 1111 1112, order 2024-0012345, at 10.1.2.300 on 12.05.2024; "
ROUNDS = 5


@dataclass(frozen=True)
class Cost:
    """Microseconds."""

    per_kib: float
    """Of a whole text of 64 KiB, in the pieces that the event loop is given."""
    bare_per_kib: float
    """A scan for one pattern that is not there."""
    per_chunk: float
    """Of a streamed chunk of 5 bytes."""
    longest_piece: float
    """The longest that one piece held the event loop."""
    growth: float
    """Time of twice the text / time of the text."""


def kinds() -> dict[str, list[Rule]]:
    secrets = [rule for rule, _ in SECRETS]
    links = [rule for rule, *_ in link_rules(lambda host: host == "example.com")]
    images = [rule for rule, *_ in image_rules()]
    data = list(personal_data.rules_of(personal_data.RULES))
    return {
        "secrets (the default)": secrets,
        "personal data": data,
        "links and images": [*images, *links],
        "all": [*secrets, *data, *images, *links],
    }


def measure(rules: list[Rule], text: str) -> Cost:
    compiled = RuleSet(rules)
    kib = (text * (65_536 // len(text) + 1)).encode()[:65_536]
    bare = re2.compile("[a-z]{3}-[0-9]{4} not there")
    scanned = _best(lambda: _scan(compiled, kib))
    return Cost(
        per_kib=scanned / 64,
        bare_per_kib=_best(lambda: bare.search(kib)) / 64,
        per_chunk=_best(lambda: _stream(compiled, kib[:8192])) / (8192 / 5),
        longest_piece=min(_longest(compiled, kib) for _ in range(ROUNDS)),
        growth=_best(lambda: _scan(compiled, kib + kib)) / scanned,
    )


def _window(rules: RuleSet) -> Window:
    treatments = {rule: Treatment(rule, "", rule.name, ("Redact",), b"[X]") for rule in rules.rules}
    return Window(rules, treatments, lambda _: None)


def _scan(rules: RuleSet, data: bytes) -> None:
    window = _window(rules)
    for piece in pieces(data):
        window.feed(piece)
    window.feed(b"", final=True)


def _stream(rules: RuleSet, data: bytes) -> None:
    window = _window(rules)
    for at in range(0, len(data), 5):
        window.feed(data[at : at + 5])


def _longest(rules: RuleSet, data: bytes) -> float:
    window = _window(rules)
    return max(_taken(lambda piece=piece: window.feed(piece)) for piece in pieces(data))  # type: ignore[misc]


def _best(work: Callable[[], Any]) -> float:
    return min(_taken(work) for _ in range(ROUNDS))


def _taken(work: Callable[[], Any]) -> float:
    begun = time.process_time_ns()
    work()
    return (time.process_time_ns() - begun) / 1000


def table() -> list[str]:
    """As Markdown."""
    lines = [
        "| looked for | text | us/KiB | ratio to a bare scan | us a chunk | longest piece, ms | t(2n)/t(n) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rules in kinds().items():
        for words, text in (("prose", PROSE), ("numbers", DENSE)):
            cost = measure(rules, text)
            ratio = cost.per_kib / max(cost.bare_per_kib, 0.01)
            lines.append(
                f"| {name} | {words} | {cost.per_kib:.0f} | {ratio:.0f} | {cost.per_chunk:.1f} "
                f"| {cost.longest_piece / 1000:.1f} | {cost.growth:.2f} |"
            )
    return lines
