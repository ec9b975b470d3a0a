"""Where personal data stand in a text: six detectors, each RE2 candidates and a judge of them.

`find` is pure and linear; `found` is the same for long texts on the event loop. What the detectors cannot see stands in
docs/limits.md.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from regent_runtime.guard.personal_data import card, email, iban, ip_address, national_id, phone
from regent_runtime.guard.pieces import pieces
from regent_runtime.guard.scan import Match, Rule, RuleSet, Scanner

RULES: Mapping[str, tuple[Rule, ...]] = {
    "Email": email.RULES,
    "IBAN": iban.RULES,
    "Card": card.RULES,
    "NationalID": national_id.RULES,
    "IPAddress": ip_address.RULES,
    "Phone": phone.RULES,
}
"""By detector, in the order in which they claim what several find: the surest first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data at text[start:end]."""

    detector: str
    start: int
    end: int


def find(text: str, detectors: Collection[str]) -> list[Finding]:
    """All that the detectors find, in order, none overlapping another. Holds the event loop while it reads."""
    rules, names = _rules(frozenset(detectors))
    matches = Scanner(rules).feed(text.encode(), final=True)
    return list(_findings(text, matches, names))


def prepare(detectors: Collection[str]) -> None:
    """Load what the detectors need: a tenth of a second, once, that no turn should wait for."""
    _rules(frozenset(detectors))
    if "Phone" in detectors:
        phone.prepare()


async def found(text: str, detectors: Collection[str]) -> list[Finding]:
    """What `find` finds, letting others run between pieces."""
    rules, names = _rules(frozenset(detectors))
    scanner, matches = Scanner(rules), list[Match]()
    for piece in pieces(text.encode()):
        matches += scanner.feed(piece)
        scanner.drop(scanner.settled)
        await asyncio.sleep(0)
    matches += scanner.feed(b"", final=True)
    return list(_findings(text, matches, names))


def rules_of(detectors: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of those detectors, in order of precedence. Raises KeyError for one that is not known."""
    wanted = {name: RULES[name] for name in detectors}
    return tuple(rule for name in RULES if name in wanted for rule in RULES[name])


@lru_cache(maxsize=64)
def _rules(detectors: frozenset[str]) -> tuple[RuleSet, Mapping[Rule, str]]:
    """There are 64 sets of six detectors."""
    rules = rules_of(detectors)
    return RuleSet(rules), {rule: name for name in RULES for rule in RULES[name]}


def _findings(text: str, matches: Iterable[Match], names: Mapping[Rule, str]) -> Iterator[Finding]:
    """Matches that overlap become one, with the name of the first."""
    merged: list[tuple[str, int, int]] = []
    for match in matches:
        if merged and match.start < merged[-1][2]:
            name, start, end = merged[-1]
            merged[-1] = name, start, max(end, match.end)
        else:
            merged.append((names[match.rule], match.start, match.end))
    if text.isascii():
        yield from (Finding(*each) for each in merged)
        return
    data, at, characters = text.encode(), 0, 0
    for name, start, end in merged:
        characters += len(data[at:start].decode())
        length = len(data[start:end].decode())
        yield Finding(name, characters, characters + length)
        at, characters = end, characters + length
