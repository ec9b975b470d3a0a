"""Objects that hold a key twice: JSON permits them and readers disagree on which value counts, so they are refused.

The decoder silently keeps the last value. So the keys that stand in the text are counted against those that were kept.
"""

import re
from typing import Any

import msgspec

from regent_runtime.refusals import DUPLICATE_FIELD, Refused

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)
"""A JSON string, and the colon that makes it a key. In valid JSON a quote outside of strings always opens one."""


def refuse_duplicates(body: bytes) -> None:
    """Raises Refused (400). `body` must be valid JSON."""
    written = sum(map(bool, _STRING.findall(body)))
    if written != _kept(msgspec.json.decode(body)):
        raise Refused(DUPLICATE_FIELD, "An object of the body has the same key twice; write each once.")


def _kept(document: Any) -> int:
    count = 0
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += len(value)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return count
