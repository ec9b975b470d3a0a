"""What must hold for every field of every kind, whoever adds the next one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from regent_api.crd import PENDING, crd, root_schema
from regent_api.kinds import AGENT_POLICY, AI_AGENT, KINDS, MODEL_ROUTE, Kind
from regent_api.schema import words_for
from regent_api.status import Condition

Schema = dict[str, Any]

STRUCTURAL = {
    *("type", "description", "properties", "additionalProperties", "items", "required", "enum", "pattern", "format"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations"),
}
LONGEST_CRD_BYTES = 100_000


def walk(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every schema below `path`, with itself."""
    yield path, schema
    for key, field in schema.get("properties", {}).items():
        yield from walk(field, f"{path}.{key}")
    for part, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if part in schema:
            yield from walk(schema[part], f"{path}{mark}")


SCHEMAS = [
    (f"{kind.name} {path}", schema)
    for kind in KINDS
    for part in ("spec", "status")
    for path, schema in walk(root_schema(kind)["properties"][part], part)
]
SPEC_SCHEMAS = [(path, schema) for path, schema in SCHEMAS if " spec" in path]


def test_only_words_of_structural_schemas_are_used() -> None:
    for path, schema in SCHEMAS:
        assert set(schema) - {"default"} <= STRUCTURAL, path


def test_no_default_is_written_into_a_users_object() -> None:
    assert [path for path, schema in SPEC_SCHEMAS if "default" in schema] == []


def test_every_property_is_described() -> None:
    for path, schema in SCHEMAS:
        for key, field in schema.get("properties", {}).items():
            assert field.get("description", "").strip(), f"{path}.{key}"


def test_no_field_and_no_value_needs_quotes_in_yaml() -> None:
    """YAML 1.1, which kubectl reads, takes bare words such as `on` for booleans."""
    for path, schema in SPEC_SCHEMAS:
        for word in [*schema.get("properties", {}), *schema.get("enum", [])]:
            assert yaml.safe_load(str(word)) == word, f"{path}.{word}"


def test_every_string_list_and_map_is_bounded() -> None:
    for path, schema in SCHEMAS:
        match schema["type"]:
            case "string":
                assert "maxLength" in schema or "enum" in schema, path
            case "array":
                assert "maxItems" in schema, path
            case "object" if "properties" not in schema:
                assert "maxProperties" in schema, path


def test_every_number_of_a_spec_is_bounded() -> None:
    for path, schema in SPEC_SCHEMAS:
        if schema["type"] in {"integer", "number"}:
            assert schema["minimum"] < schema["maximum"], path


def test_an_empty_list_is_refused() -> None:
    lists = [(path, schema) for path, schema in SPEC_SCHEMAS if schema["type"] == "array"]
    assert [path for path, schema in lists if schema["minItems"] < 1] == []


def test_every_list_says_who_owns_what() -> None:
    for path, schema in SCHEMAS:
        match schema.get("x-kubernetes-list-type"):
            case "set":
                assert schema["items"]["type"] in {"string", "integer"}, path
            case "map":
                assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"]), path
            case kind:
                assert kind == ("atomic" if schema["type"] == "array" else None), path


def test_a_rule_points_at_a_field_and_tells_what_to_write() -> None:
    for path, schema in SCHEMAS:
        for rule in schema.get("x-kubernetes-validations", []):
            field = schema
            for step in rule.get("fieldPath", "").split(".")[1:]:
                assert step in field["properties"], f"{path}: {rule['rule']}"
                field = field["properties"][step]
            assert 0 < len(rule["message"]) <= 2048, path


def test_a_pattern_is_explained_in_words() -> None:
    assert [path for path, schema in SPEC_SCHEMAS if "pattern" in schema and not words_for(schema)] == []


def test_a_reference_or_selector_has_one_owner() -> None:
    spec = root_schema(AI_AGENT)["properties"]["spec"]["properties"]
    policy = root_schema(AGENT_POLICY)["properties"]["spec"]["properties"]
    assert spec["modelRouteRef"]["x-kubernetes-map-type"] == "atomic"
    assert policy["selector"]["properties"]["agents"]["x-kubernetes-map-type"] == "atomic"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_status_is_a_subresource_and_begins_as_unknown(kind: Kind) -> None:
    (version,) = crd(kind)["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert version["subresources"] == {"status": {}}
    assert status["default"] == {}
    assert status["properties"]["conditions"]["default"] == [PENDING]


def test_the_first_condition_is_one_that_the_operator_can_read() -> None:
    condition = Condition.model_validate(PENDING)
    assert (condition.type, condition.status, condition.reason) == ("Ready", "Unknown", "Pending")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_crd_stays_small(kind: Kind) -> None:
    assert len(json.dumps(crd(kind), indent=2)) < LONGEST_CRD_BYTES


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (AI_AGENT, ["Ready", "Reason", "Route", "Policies", "Replicas", "Conversations", "Endpoint", "Age"]),
        (AGENT_POLICY, ["Ready", "Reason", "Mode", "Agents", "Enforced", "Age"]),
        (MODEL_ROUTE, ["Ready", "Reason", "Providers", "Rules", "Agents", "Enforced", "Age"]),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_columns_show_stored_scalars(kind: Kind, columns: list[str]) -> None:
    (version,) = crd(kind)["spec"]["versions"]
    shown = version["additionalPrinterColumns"]
    assert [column["name"] for column in shown] == columns
    for column in shown:
        assert scalar_at(root_schema(kind), column["jsonPath"]), column


def scalar_at(schema: Schema, path: str) -> bool:
    """Whether the simple path leads to a scalar of the schema; metadata and filters are taken as they are."""
    plain = path.replace('[?(@.type=="Ready")]', "[]")
    known = {where for where, field in walk(schema, "") if field["type"] not in {"object", "array"}}
    return plain == ".metadata.creationTimestamp" or plain in known


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (AI_AGENT, ("aiagents.regent.dev", "aiagents", "aiagent", "aia")),
        (AGENT_POLICY, ("agentpolicies.regent.dev", "agentpolicies", "agentpolicy", "agpol")),
        (MODEL_ROUTE, ("modelroutes.regent.dev", "modelroutes", "modelroute", "mroute")),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_names(kind: Kind, names: tuple[str, str, str, str]) -> None:
    spec = crd(kind)["spec"]
    assert (crd(kind)["metadata"]["name"], spec["names"]["plural"]) == names[:2]
    assert (spec["names"]["singular"], *spec["names"]["shortNames"]) == names[2:]
    assert spec["names"]["categories"] == ["regent"]
    assert spec["scope"] == "Namespaced"


def test_a_path_leads_to_all_to_a_namespaces_or_to_one_object() -> None:
    assert AI_AGENT.path() == "/apis/regent.dev/v1alpha1/aiagents"
    assert AI_AGENT.path("acme") == "/apis/regent.dev/v1alpha1/namespaces/acme/aiagents"
    assert AI_AGENT.path("acme", "helper") == "/apis/regent.dev/v1alpha1/namespaces/acme/aiagents/helper"
