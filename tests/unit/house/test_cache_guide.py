"""The YAML of docs/guides/cache.md: what it tells to write is what the API takes, and all of it is told."""

import re

import yaml

from regent_api.kinds import AGENT_POLICY
from regent_api.policy import Cache
from regent_operator.cli.validation import problems
from regent_runtime.cache.place import OBSTACLES
from tests.guides import GUIDES

TEXT = (GUIDES / "cache.md").read_text()


def test_the_policy_of_the_guide_is_valid_and_shows_every_field() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    spec = yaml.safe_load(block)["spec"]
    assert problems({"metadata": {"name": "cached"}, "spec": spec}, AGENT_POLICY) == []
    assert spec["cache"].keys() == {field.alias for field in Cache.model_fields.values()}


def test_every_obstacle_is_told() -> None:
    assert all(f"`{word}` |" in TEXT for word in OBSTACLES)
