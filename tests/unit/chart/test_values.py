import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from ipaddress import ip_network
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import yaml

from tests.cluster import command, tools
from tests.unit.chart.helm import CHART, Object, one, render

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
        ({"image": {"registry": "localhost//"}}, "at '/image/registry': 'localhost//' does not match pattern"),
        ({"image": {"registry": "r.example.com:x/a"}}, "at '/image/registry': 'r.example.com:x/a' does not match"),
        ({"image": {"operator": {"repository": "a//b"}}}, "at '/image/operator/repository': 'a//b' does not match"),
        ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy': value must be one of"),
        ({"watchNamespaces": ["Acme"]}, "at '/watchNamespaces/0': 'Acme' does not match pattern"),
        ({"watchNamespaces": ["a", "a"]}, "at '/watchNamespaces': items at 0 and 1 are equal"),
        ({"watchNamespaces": "a"}, "at '/watchNamespaces': got string, want array"),
        ({"replicas": 0}, "at '/replicas': minimum: got 0, want 1"),
        ({"cluster": {"cidrs": ["10.0.0.0"]}}, "at '/cluster/cidrs/0': '10.0.0.0' does not match pattern"),
        ({"cluster": {"dnsPeers": []}}, "at '/cluster/dnsPeers': minItems: got 0, want 1"),
        ({"cluster": {"dnsPeers": [{"selector": {}}]}}, "additional properties 'selector' not allowed"),
        ({"cluster": {"dnsPorts": []}}, "at '/cluster/dnsPorts': minItems: got 0, want 1"),
        ({"cluster": {"dnsPorts": [0]}}, "at '/cluster/dnsPorts/0': minimum: got 0, want 1"),
        ({"cluster": {"domain": "x: y"}}, "at '/cluster/domain': 'x: y' does not match pattern"),
        ({"priorityClassName": "a: b"}, "at '/priorityClassName': 'a: b' does not match pattern"),
        ({"crds": {"keep": False}}, "additional properties 'keep' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: Object, message: str) -> None:
    with pytest.raises(command.CommandError, match=re.escape(message)):
        render(values)


@pytest.mark.parametrize(
    "cidr",
    [
        "10.0.0.0/8",
        "10.0.0.1/32",
        "0.0.0.0/0",
        "fd00::/108",
        "FD00::/8",
        "::1/128",
        "2001:db8:1:2:3:4:5:0/112",
        "1:2:3:4:5:6:7::/112",
        "::2:3:4:5:6:7:8/128",
        "::/0",
    ],
)
def test_ranges_that_the_operator_takes_are_rendered(cidr: str) -> None:
    assert ip_network(cidr)
    render({"cluster": {"cidrs": [cidr], "podCidrs": [cidr]}})


@pytest.mark.parametrize(
    "cidr",
    [
        *("10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/99", "10.300.0.0/16", "010.0.0.0/8", "10.0.0/8"),
        *("fd00::1/108", "fd00::/129", "1::2::/64", "1:2:3:4:5:6:7:8:9/128", "2001:db8:1:2:3:4:5:6/112", "1:2/64"),
        *("1::2:3:4:5:6:7:8/128", ":1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8:/128", ":1::/64"),
    ],
)
@pytest.mark.parametrize("value", ["cidrs", "podCidrs"])
def test_ranges_that_the_operator_would_end_at_are_refused(value: str, cidr: str) -> None:
    with pytest.raises(ValueError, match=re.escape(cidr.partition("/")[0])):
        ip_network(cidr)
    with pytest.raises(command.CommandError, match=re.escape(cidr)):
        render({"cluster": {value: [cidr]}})


def sections(values: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all that has parts."""
    for name, value in values.items():
        if isinstance(value, dict) and ".".join((*path, name)) not in FREE:
            yield (*path, name)
            yield from sections(value, (*path, name))


@pytest.mark.parametrize(
    "path",
    [*sections(VALUES), *(("cluster", name) for name in ("dnsPeers", "dnsPorts", "domain")), ("replicas",)],
    ids=".".join,
)
def test_what_values_of_an_older_chart_lack_is_refused_by_name_or_not_needed(path: tuple[str, ...]) -> None:
    """As `helm upgrade --reuse-values` would have it."""
    lacking: Object = {"collector": {"enabled": True}, "autoscaling": {"provider": "Regent"}}
    part, schema = lacking, SCHEMA
    for name in path[:-1]:
        part, schema = part.setdefault(name, {}), schema["properties"][name]
    part[path[-1]] = None

    needed = path[-1] in schema.get("required", [])
    refused = pytest.raises(command.CommandError, match=f"missing property '{path[-1]}'")
    with refused if needed else nullcontext():
        render(lacking)


@pytest.mark.parametrize(
    ("registry", "image"),
    [
        ("", "regent-operator:0.1.0"),
        ("localhost", "localhost/regent-operator:0.1.0"),
        ("registry.example.com/my_team", "registry.example.com/my_team/regent-operator:0.1.0"),
        ("10.0.0.1:5000/a/b-c.d/", "10.0.0.1:5000/a/b-c.d/regent-operator:0.1.0"),
    ],
)
def test_a_registry_is_a_host_with_a_port_and_a_path_or_less(registry: str, image: str) -> None:
    template = one(render({"image": {"registry": registry}}), "Deployment")["spec"]["template"]

    assert template["spec"]["containers"][0]["image"] == image


@pytest.mark.parametrize("enabled", [True, False])
def test_a_parent_chart_can_leave_it_out(tmp_path: Path, *, enabled: bool) -> None:
    copytree(CHART, tmp_path / "charts" / "regent")
    dependency = {"name": "regent", "version": "*", "condition": "regent.enabled"}
    about = {"apiVersion": "v2", "name": "parent", "version": "0.1.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(json.dumps(about))

    said = command.run(tools.helm(), "template", "parent", tmp_path, "--set", f"regent.enabled={str(enabled).lower()}")
    assert ("kind: Deployment" in said) == enabled


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
