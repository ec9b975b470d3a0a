"""How long a provider asks to be left alone, in every form that is documented.

`retry-after-ms` (OpenAI, Azure), `Retry-After` in whole or decimal seconds or as a date (RFC 9110, section 10.2.3),
and, of a reply that says that a limit is reached and has neither, the reset times of those that are used up: OpenAI's
`x-ratelimit-reset-*` (`6m0s`) and Anthropic's `anthropic-ratelimit-*-reset` (RFC 3339).
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER = 86_400.0
"""A day. Who asks for longer, for ever or by a date of nonsense is asked again then."""
LONGEST_RESET = 60.0
"""A limit is whole again at its reset time; a request fits much sooner."""
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|s|m|h|d))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_OPENAI = ("requests", "tokens")
_ANTHROPIC = ("requests", "tokens", "input-tokens", "output-tokens")


def seconds_to_wait(headers: Mapping[str, str], now: float | None = None, *, resets: bool = True) -> float | None:
    """At most LONGEST_RETRY_AFTER; None where nothing, or nonsense, is said. `headers` are case-insensitive.

    `resets`: whether the limits' reset times count; every reply bears them, whatever it is about.
    `now`: Unix time; absent, this machine's. A date is counted from the reply's own `Date`, whatever the clocks say.
    """
    here = time.time() if now is None else now
    there = _date(headers.get("Date"))
    present = here if there is None else there
    milliseconds = _number(headers.get("Retry-After-Ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, LONGEST_RETRY_AFTER)
    stated = headers.get("Retry-After")
    seconds = _number(stated)
    if seconds is None and (date := _date(stated)) is not None:
        seconds = max(0.0, date - present)
    if seconds is None and resets:
        seconds = max((min(wait, LONGEST_RESET) for wait in _resets(headers, present)), default=None)
    return None if seconds is None else min(seconds, LONGEST_RETRY_AFTER)


def _resets(headers: Mapping[str, str], present: float) -> Iterator[float]:
    """Until each limit of which nothing is left is counted anew."""
    for name in _OPENAI:
        if headers.get(f"x-ratelimit-remaining-{name}", "").strip() == "0":
            wait = _duration(headers.get(f"x-ratelimit-reset-{name}"))
            if wait is not None:
                yield wait
    for name in _ANTHROPIC:
        if headers.get(f"anthropic-ratelimit-{name}-remaining", "").strip() == "0":
            moment = _timestamp(headers.get(f"anthropic-ratelimit-{name}-reset"))
            if moment is not None:
                yield max(0.0, moment - present)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if number >= 0 and not math.isnan(number) else None


def _duration(text: str | None) -> float | None:
    stripped = (text or "").strip()
    if not _DURATION.fullmatch(stripped):
        return _number(stripped)
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(stripped))


def _date(text: str | None) -> float | None:
    """An HTTP date as Unix time."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _timestamp(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
