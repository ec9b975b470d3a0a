"""The mark of a test of what a row of a table in docs/reference/state.md says.

tests/unit/house/test_state_reference.py finds each row that no test bears, and each mark that names no row.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])


def row(said: str, *columns: str) -> Callable[[Test], Test]:
    """`@row("money of a budget")`: the row's first cell, without backticks; `columns`: some of the row's, else all."""
    return pytest.mark.row(said, *columns)
