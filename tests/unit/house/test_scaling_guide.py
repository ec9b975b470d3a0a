"""The YAML of docs/guides/scaling.md: the API takes what it tells to write, and its defaults are the defaults."""

import re
from typing import Any

import pytest
import yaml

from regent_api.kinds import AI_AGENT
from regent_operator.cli.validation import problems
from regent_operator.plan.autoscaler import build
from tests.guides import GUIDES
from tests.unit.plan.samples import agent

TEXT = (GUIDES / "scaling.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]
REST = {"instructions": {"inline": "Help."}, "modelRouteRef": {"name": "hybrid"}, "sensitivity": "Internal"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: "+".join(block["spec"]))
def test_a_part_makes_a_valid_agent_with_the_rest(block: dict[str, Any]) -> None:
    assert problems({"metadata": {"name": "helper"}, "spec": {**REST, **block["spec"]}}, AI_AGENT) == []


def test_what_it_writes_out_are_the_defaults() -> None:
    assert build(agent(**BLOCKS[1]["spec"])) == build(agent(scaling={"auto": {}}))
