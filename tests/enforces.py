"""The mark of a test that fails when a policy field is ignored; docs/reference/enforcement.md is made from it."""

from typing import Any

import pytest


def enforces(*paths: str) -> Any:
    """`@enforces("size.maxRequestBytes")`: paths as users write them below spec; `*` stands for every label of a class."""
    return pytest.mark.enforces(*paths)
