"""Payment cards: the number ranges of the schemes (ISO/IEC 7812), grouped as on the card or not at all, with Luhn."""

from regent_runtime.guard.personal_data.checksums import luhn
from regent_runtime.guard.personal_data.separators import ONE, groups
from regent_runtime.guard.scan import Judged, Rule

_SCHEMES: tuple[tuple[int, int, int, tuple[int, ...]], ...] = (
    (1, 4, 4, (13, 16, 19)),  # Visa
    (2, 51, 55, (16,)),  # Mastercard
    (4, 2221, 2720, (16,)),
    (2, 34, 34, (15,)),  # American Express
    (2, 37, 37, (15,)),
    (4, 6011, 6011, (16, 19)),  # Discover
    (3, 644, 649, (16, 19)),
    (2, 65, 65, (16, 19)),
    (3, 300, 305, (14,)),  # Diners Club
    (2, 36, 36, (14,)),
    (2, 38, 39, (14,)),
    (4, 3528, 3589, (16, 17, 18, 19)),  # JCB
    (2, 62, 62, (16, 17, 18, 19)),  # UnionPay
    (2, 50, 50, (16, 18, 19)),  # Maestro
    (2, 56, 58, (16, 18, 19)),
    (4, 6759, 6763, (16, 18, 19)),
    (4, 2200, 2204, (16,)),  # Mir
)
"""Digits of the prefix, its range, lengths."""
_GROUPINGS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (6, 13), (4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 2)}
_MOST_GROUPS = 5


def judge(candidate: bytes) -> Judged:
    """Every card within a run of groups of digits."""
    where = groups(candidate)
    spans: list[tuple[int, int]] = []
    index = 0
    while index < len(where):
        for count in range(min(_MOST_GROUPS, len(where) - index), 0, -1):
            taken = where[index : index + count]
            lengths = tuple(end - start for start, end in taken)
            if (count == 1 or lengths in _GROUPINGS) and _is_card(candidate, taken):
                spans.append((taken[0][0], taken[-1][1]))
                index += count - 1
                break
        index += 1
    return Judged(spans, len(candidate))


def _is_card(candidate: bytes, taken: list[tuple[int, int]]) -> bool:
    digits = b"".join(candidate[start:end] for start, end in taken).decode("ascii")
    return 13 <= len(digits) <= 19 and _has_scheme(digits) and luhn(digits)


def _has_scheme(digits: str) -> bool:
    return any(
        low <= int(digits[:length]) <= high and len(digits) in lengths for length, low, high, lengths in _SCHEMES
    )


RULES = (Rule("Card", rf"\b[0-9](?:{ONE}?[0-9]){{12,100}}\b", judge),)
