"""`make bench-guards`: what screening costs beside a bare RE2 scan of the same text, in the same run.

Best of the rounds, in CPU time: a busy machine changes the ratios little.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import re2

from regent_runtime.guard import personal_data
from regent_runtime.guard.links import image_rules, link_rules
from regent_runtime.guard.mounted import Mounted
from regent_runtime.guard.output import OutputGuard
from regent_runtime.guard.pieces import pieces
from regent_runtime.guard.scan import Rule, RuleSet
from regent_runtime.guard.screening import Screening
from regent_runtime.guard.secrets import RULES as SECRETS
from regent_runtime.guard.window import Treatment, Window
from regent_runtime.wire.answer import Chunk
from tests.bench.holding import longest_hold
from tests.fakes import configs

PROSE = "The quick brown fox jumps over the lazy dog, and nobody at the office minds it at all. "
DENSE = "Call 030 1234567 or 4111 1111 1111 1112, order 2024-0012345, at 10.1.2.300 on 12.05.2024; "
ROUNDS = 9


@dataclass(frozen=True)
class Cost:
    """Microseconds."""

    per_kib: float
    """Of a whole text, in the pieces that the event loop is given."""
    bare_per_kib: float
    """A scan for one pattern that is not there."""
    per_chunk: float
    """Of a streamed chunk of 5 bytes."""
    longest_piece: float
    """The longest that one piece held the event loop."""
    growth: float
    """Time of twice the text / time of the text."""


def kinds() -> dict[str, list[list[Rule]]]:
    """The rules of each pass."""
    secrets = [rule for rule, _ in SECRETS]
    links = [rule for rule, *_ in link_rules(lambda host: host == "example.com")]
    images = [rule for rule, *_ in image_rules()]
    data = list(personal_data.rules_of(personal_data.RULES))
    return {
        "secrets (the default)": [secrets],
        "personal data": [data],
        "links and images": [[*images, *links]],
        "all": [[*secrets, *data], [*images, *links]],
    }


def measure(passes: list[list[Rule]], text: str, kib: int) -> Cost:
    rules = [RuleSet(each) for each in passes]
    data = (text * (kib * 1024 // len(text) + 1)).encode()[: kib * 1024]
    bare = re2.compile("[a-z]{3}-[0-9]{4} not there")
    pairs = _pairs(rules, data)
    return Cost(
        per_kib=min(once for once, _ in pairs) / kib,
        bare_per_kib=_best(lambda: bare.search(data)) / kib,
        per_chunk=_best(lambda: _stream(rules, data[:8192])) / (8192 / 5),
        longest_piece=min(_longest(rules, data) for _ in range(ROUNDS)),
        growth=median(twice / once for once, twice in pairs),
    )


def _pairs(rules: list[RuleSet], data: bytes) -> list[tuple[float, float]]:
    """The text and then twice the text, each round: a busy machine slows both, and the middle ratio tells little of it."""
    return [(_taken(lambda: _scan(rules, data)), _taken(lambda: _scan(rules, data + data))) for _ in range(ROUNDS)]


class _Windows:
    """One after the other, as answers go through them."""

    def __init__(self, passes: list[RuleSet]) -> None:
        self._windows = [_window(rules) for rules in passes]

    def feed(self, piece: bytes, *, final: bool = False) -> None:
        for window in self._windows:
            piece = window.feed(piece, final=final)


def _window(rules: RuleSet) -> Window:
    treatments = {rule: Treatment(rule, "", rule.name, ("Redact",), b"[X]") for rule in rules.rules}
    return Window(rules, treatments, lambda _: None)


def _scan(rules: list[RuleSet], data: bytes) -> None:
    windows = _Windows(rules)
    for piece in pieces(data):
        windows.feed(piece)
    windows.feed(b"", final=True)


def _stream(rules: list[RuleSet], data: bytes) -> None:
    windows = _Windows(rules)
    for at in range(0, len(data), 5):
        windows.feed(data[at : at + 5])


def _longest(rules: list[RuleSet], data: bytes) -> float:
    windows = _Windows(rules)
    return max(_taken(lambda piece=piece: windows.feed(piece)) for piece in pieces(data))  # type: ignore[misc]


def holds() -> list[str]:
    """How long a whole answer of 1 MB, or one of 64 KiB of numbers, holds the event loop; as Markdown."""
    everything = {
        "personalData": {"action": ["Redact"], "detectors": list(personal_data.RULES)},
        "links": {"allow": [["*.example.com"]], "images": ["Strip"]},
    }
    endless = {"policy": "a/b", "name": "endless", "re2": "(?s)BEGIN.*END", "action": "Redact"}
    slow = {"policy": "a/b", "name": "slow", "re2": "(?:a.{1,15}){30}z", "action": "Redact"}
    prose, numbers = PROSE * (1024 * 1024 // len(PROSE)), DENSE * (65_536 // len(DENSE))
    rows = (
        ("secrets (the default), 1 MB", {}, prose),
        ("all, 1 MB", everything, prose),
        ("all, 1 MB, `Buffer`", everything | {"streaming": "Buffer"}, prose),
        ("all, 64 KiB of numbers", everything, numbers),
        ("all, and a pattern without bound, 1 MB", everything | {"patterns": [endless]}, prose),
        ("a slow pattern, 64 KiB", {"patterns": [slow]}, "ab" * 32_768),
    )
    lines = ["| an answer in one chunk | the loop held, ms |", "|---|---|"]
    return lines + [f"| {name} | {_hold(policy, text):.1f} |" for name, policy, text in rows]


def _hold(policy: dict[str, Any], text: str) -> float:
    config = configs.config(policy={"guardrails": {"output": {"secrets": ["Redact"], **policy}}})
    guard = OutputGuard(config, Mounted())
    return longest_hold(lambda: Screening(guard, lambda _: None).feed(Chunk(text, finish_reason="stop")))


def _best(work: Callable[[], Any]) -> float:
    return min(_taken(work) for _ in range(ROUNDS))


def _taken(work: Callable[[], Any]) -> float:
    """Of this thread alone; no collection of garbage falls into one round and not into the other."""
    gc.disable()
    begun = time.thread_time_ns()
    work()
    taken = time.thread_time_ns() - begun
    gc.enable()
    return taken / 1000


def table() -> list[str]:
    """As Markdown."""
    lines = [
        "| looked for | text | us/KiB | ratio to a bare scan | us a chunk | longest piece, ms | t(2n)/t(n) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, passes in kinds().items():
        for words, text, kib in (("prose", PROSE, 256), ("numbers", DENSE, 16)):
            cost = measure(passes, text, kib)
            ratio = cost.per_kib / max(cost.bare_per_kib, 0.01)
            lines.append(
                f"| {name} | {words} | {cost.per_kib:.0f} | {ratio:.0f} | {cost.per_chunk:.1f} "
                f"| {cost.longest_piece / 1000:.1f} | {cost.growth:.2f} |"
            )
    return lines
