"""The YAML of docs/guides/routes.md: what it tells to write is what the API takes."""

import re
from typing import Any

import pytest
import yaml

from regent_api.kinds import MODEL_ROUTE
from regent_operator.cli.validation import problems
from tests.guides import GUIDES

TEXT = (GUIDES / "routes.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]
PROVIDERS = next(block["providers"] for block in BLOCKS if "providers" in block)
RULES = next(block["rules"] for block in BLOCKS if "rules" in block)


def test_the_guide_shows_each_part_of_a_route() -> None:
    assert {field for block in BLOCKS for field in block} == {
        *("providers", "rules", "fallback", "retries", "circuitBreaker", "timeouts"),
    }


@pytest.mark.parametrize("block", BLOCKS, ids="+".join)
def test_a_part_makes_a_valid_route_with_the_others(block: dict[str, Any]) -> None:
    spec = {"providers": PROVIDERS, "rules": RULES, **block}
    assert problems({"metadata": {"name": "hybrid"}, "spec": spec}, MODEL_ROUTE) == []
