import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster import command
from tests.unit.chart.helm import CHART, Object, render

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
README = (CHART / "README.md").read_text()
FREE = {"floorPolicy.spec", "cluster.dnsPeers"}
"""Values that are Kubernetes' or the CRD's own shape: the API server is their schema."""


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict) and values and path not in FREE:
        for name, value in values.items():
            yield from leaves(value, f"{path}.{name}".lstrip("."))
    else:
        yield path, values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"watchNamespace": ["a"]}, "additional properties 'watchNamespace' not allowed"),
        ({"image": {"operator": {"tagg": "x"}}}, "additional properties 'tagg' not allowed"),
        ({"image": {"runtime": {"digest": "latest"}}}, "at '/image/runtime/digest': 'latest' does not match pattern"),
        ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy': value must be one of"),
        ({"watchNamespaces": ["Acme"]}, "at '/watchNamespaces/0': 'Acme' does not match pattern"),
        ({"watchNamespaces": ["a", "a"]}, "at '/watchNamespaces': items at 0 and 1 are equal"),
        ({"watchNamespaces": "a"}, "at '/watchNamespaces': got string, want array"),
        ({"replicas": 0}, "at '/replicas': minimum: got 0, want 1"),
        ({"cluster": {"cidrs": ["10.0.0.0"]}}, "at '/cluster/cidrs/0': '10.0.0.0' does not match pattern"),
        ({"cluster": {"dnsPeers": []}}, "at '/cluster/dnsPeers': minItems: got 0, want 1"),
        ({"cluster": {"dnsPeers": [{"selector": {}}]}}, "additional properties 'selector' not allowed"),
        ({"crds": {"keep": False}}, "additional properties 'keep' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: Object, message: str) -> None:
    with pytest.raises(command.CommandError, match=re.escape(message)):
        render(values)


def test_every_object_of_the_schema_is_closed() -> None:
    def open_objects(schema: Any, path: str = "") -> Iterator[str]:
        if not isinstance(schema, dict):
            return
        if "properties" in schema and schema.get("additionalProperties") is not False:
            yield path
        for name, part in schema.get("properties", {}).items():
            yield from open_objects(part, f"{path}/{name}")
        yield from open_objects(schema.get("items"), f"{path}/items")

    assert list(open_objects(SCHEMA)) == []


def test_every_value_stands_in_the_readme_with_its_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]*)` \| \S", README, flags=re.MULTILINE)

    assert rows == [(path, json.dumps(value)) for path, value in leaves(VALUES) if path not in FREE] + [
        (path, "see values.yaml") for path in sorted(FREE)
    ]
