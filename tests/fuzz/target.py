"""What is fuzzed: a function that takes bytes from a stranger.

To add one, write `tests/fuzz/targets/NAME.py` with a `TARGET`; it is found by being there. `feed` catches the errors
that its part documents and asserts what must hold of every input; whatever else it raises is a crash.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz import targets


@dataclass(frozen=True)
class Target:
    feed: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    """Inputs as they should be; everything else is made from them."""
    words: tuple[bytes, ...] = ()
    """Pieces that mean something to the part, put in here and there."""
    longest: int = 2048
    """Bytes of an input."""


def found() -> dict[str, Target]:
    """Every target, by the name of its module."""
    names = sorted(module.name for module in pkgutil.iter_modules(targets.__path__))
    return {name: importlib.import_module(f"{targets.__name__}.{name}").TARGET for name in names}
