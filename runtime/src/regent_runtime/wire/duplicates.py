"""Objects that hold a key twice: JSON permits them and readers disagree on which value counts, so they are refused.

The decoder silently keeps the last value. So the keys that stand in the text are counted against those that were kept.
"""

import re
from typing import Any

import msgspec

from regent_runtime.refusals import DUPLICATE_FIELD, INVALID_JSON, Refused

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)
"""A JSON string, and the colon that makes it a key. In valid JSON a quote outside of strings always opens one."""


def refuse_duplicates(body: bytes) -> None:
    """Raises Refused (400), also for a body that is no JSON or holds a number that nobody can hold."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Refused(INVALID_JSON, "The body must be valid JSON in UTF-8, its numbers within range.") from None
    written = sum(map(bool, _STRING.findall(body)))
    if written != _kept(document):
        raise Refused(DUPLICATE_FIELD, "An object of the body has the same key twice; write each once.")


def _kept(document: Any) -> int:
    count = 0
    found = [document]
    for value in found:  # what it holds is found on the way
        if type(value) is dict:
            count += len(value)
            found += value.values()
        elif type(value) is list:
            found += value
    return count
