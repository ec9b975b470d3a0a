"""The YAML of docs/guides/scaling.md: the API takes what it tells to write, its defaults are the defaults, its names are ours."""

import re
from typing import Any

import pytest
import yaml

from regent_api.kinds import AI_AGENT
from regent_api.status import Reason
from regent_operator.cli.validation import problems
from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.engine import Engine
from regent_operator.plan.autoscaler import METRIC, build
from regent_operator.settings import Settings
from regent_operator.signing import Signer
from regent_runtime.telemetry.metrics import Metrics
from tests.guides import GUIDES
from tests.unit.plan.samples import agent

TEXT = (GUIDES / "scaling.md").read_text()
ALL: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^ *```yaml\n(.*?)^ *```$", TEXT, re.MULTILINE | re.DOTALL)
]
BLOCKS = [block for block in ALL if "spec" in block]
REST = {"instructions": {"inline": "Help."}, "modelRouteRef": {"name": "hybrid"}, "sensitivity": "Internal"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: "+".join(block["spec"]))
def test_a_part_makes_a_valid_agent_with_the_rest(block: dict[str, Any]) -> None:
    assert problems({"metadata": {"name": "helper"}, "spec": {**REST, **block["spec"]}}, AI_AGENT) == []


def test_what_it_writes_out_are_the_defaults() -> None:
    assert build(agent(**BLOCKS[1]["spec"])) == build(agent(scaling={"auto": {}}))


def test_the_rule_of_prometheus_adapter_brings_the_runtimes_gauge_under_the_autoscalers_name() -> None:
    [rule] = [rule for block in ALL if "rules" in block for rule in block["rules"]]
    series = rule["seriesQuery"].partition("{")[0]
    assert f"{series} 7.0\n" in Metrics().text(active=7, config_valid=True, standings={}, budgets=()).decode()
    assert re.match(rule["name"]["matches"], series)
    assert rule["name"]["as"] == METRIC
    assert {label: of["resource"] for label, of in rule["resources"]["overrides"].items()} == {
        "namespace": "namespace",
        "pod": "pod",
    }


def test_what_it_says_to_watch_is_there() -> None:
    engine = Engine(Settings("regent-system", "runtime:1", "/keys"), ClusterAccess("http://127.0.0.1:1"), Signer.new())
    served = engine.metrics.text().decode()
    named = set(re.findall(r"regent_operator_[a-z_]+", TEXT))
    assert len(named) == 4
    assert [name for name in named if f"# HELP {name} " not in served] == []


def test_conditions_and_reasons_that_it_names_are_ours() -> None:
    named = set(re.findall(r"`(?:True|False|Unknown) ([A-Z][A-Za-z]+)`", TEXT))
    named |= set(re.findall(r"reason[= ]`?([A-Z][A-Za-z]+)`", TEXT))
    assert {"Restricted", "NotEnforced", "NotProved", "SharedStateRequired", "NoConversations"} <= named
    assert named <= set(Reason)
