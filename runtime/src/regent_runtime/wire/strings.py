"""Every string of a JSON value, keys among them: to look at, and to replace."""

from collections.abc import Callable, Iterator
from typing import Any

DEEPEST = 64
"""Levels of a value that is walked: a function that calls itself stays far from Python's own bound."""


def strings(value: Any, *, numbers: bool = False) -> Iterator[str]:
    """`numbers`: those too, as they are written."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in value:
            yield from strings(entry, numbers=numbers)
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from strings(entry, numbers=numbers)
    elif numbers and is_number(value):
        yield str(value)


def replaced(value: Any, replace: Callable[[str], str], *, numbers: bool = False) -> Any:
    """The same JSON with each string replaced. `numbers`: one that is replaced becomes a string."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [replaced(entry, replace, numbers=numbers) for entry in value]
    if isinstance(value, dict):
        return {replace(key): replaced(entry, replace, numbers=numbers) for key, entry in value.items()}
    if numbers and is_number(value):
        return value if replace(str(value)) == str(value) else replace(str(value))
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        nested = [each for each in level if isinstance(each, dict | list)]
        level = [entry for each in nested for entry in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return True
