"""The YAML of docs/guides/routes.md: what it tells to write is what the API takes."""

import re
from typing import Any

import pytest
import yaml

from regent_api.kinds import AI_AGENT, MODEL_ROUTE
from regent_operator.cli.validation import problems
from tests.guides import GUIDES

TEXT = (GUIDES / "routes.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]
OF_AGENTS = [block["spec"] for block in BLOCKS if "spec" in block]
OF_PROVIDERS = [block for block in BLOCKS if block.keys() == {"limits"}]
OF_ROUTES = [block for block in BLOCKS if "spec" not in block and block not in OF_PROVIDERS]
PROVIDERS = next(block["providers"] for block in BLOCKS if "providers" in block)
RULES = next(block["rules"] for block in BLOCKS if "rules" in block)


def test_the_guide_shows_each_part_of_a_route() -> None:
    assert {field for block in OF_ROUTES for field in block} == {
        *("providers", "rules", "fallback", "retries", "circuitBreaker", "timeouts"),
    }


@pytest.mark.parametrize("block", OF_ROUTES, ids="+".join)
def test_a_part_makes_a_valid_route_with_the_others(block: dict[str, Any]) -> None:
    spec = {"providers": PROVIDERS, "rules": RULES, **block}
    assert problems({"metadata": {"name": "hybrid"}, "spec": spec}, MODEL_ROUTE) == []


@pytest.mark.parametrize("block", OF_AGENTS, ids="+".join)
def test_what_is_said_of_agents_makes_a_valid_one(block: dict[str, Any]) -> None:
    rest = {"instructions": {"inline": "Help."}, "modelRouteRef": {"name": "hybrid"}, "sensitivity": "Internal"}
    assert problems({"metadata": {"name": "helper"}, "spec": {**rest, **block}}, AI_AGENT) == []


@pytest.mark.parametrize("block", OF_PROVIDERS, ids="+".join)
def test_what_is_said_of_a_provider_makes_a_valid_one(block: dict[str, Any]) -> None:
    providers = [{**PROVIDERS[0], **block}, *PROVIDERS[1:]]
    assert (
        problems({"metadata": {"name": "hybrid"}, "spec": {"providers": providers, "rules": RULES}}, MODEL_ROUTE) == []
    )
