"""The mark of a test that fails when a policy field is ignored; docs/reference/enforcement.md is made from it."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])


def enforces(*paths: str) -> Callable[[Test], Test]:
    """`@enforces("size.maxRequestBytes")`: paths as users write them below spec; `*` stands for every label of a class."""
    return pytest.mark.enforces(*paths)
