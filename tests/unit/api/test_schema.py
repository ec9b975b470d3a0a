from enum import StrEnum
from typing import Annotated

import pytest
from pydantic import Field, StringConstraints

from regent_api.model import ATOMIC, BY_NAME, SET, Cel, Meet, MeetKind, Model, Words
from regent_api.schema import object_schema, words_for


class Colour(StrEnum):
    RED = "Red"
    BLUE = "Blue"


class Leaf(Model):
    name: Annotated[str, StringConstraints(max_length=8), Field(description="Its name.")]


class Named(Model):
    """What a user reads of a list's items."""

    atomic = True
    cel_rules = (Cel("has(self.name)", "name it", ".name"),)
    name: Annotated[str, StringConstraints(max_length=8), Field(description="Its name.")]


def test_a_scalar_is_its_type_and_its_bounds() -> None:
    class One(Model):
        most_items: Annotated[int, Field(ge=1, le=9, description="How many.")]

    assert object_schema(One) == {
        "type": "object",
        "required": ["mostItems"],
        "properties": {"mostItems": {"description": "How many.", "type": "integer", "minimum": 1, "maximum": 9}},
    }


def test_an_optional_field_is_absent_from_required_and_never_null() -> None:
    class Some(Model):
        colour: Annotated[Colour | None, Field(description="Its colour.")] = None

    assert object_schema(Some) == {
        "type": "object",
        "properties": {"colour": {"description": "Its colour.", "type": "string", "enum": ["Red", "Blue"]}},
    }


def test_a_python_default_is_not_a_schema_default() -> None:
    class Some(Model):
        replicas: Annotated[int, Field(ge=1, le=2, description="Pods.")] = 1

    schema = object_schema(Some)
    assert "required" not in schema
    assert "default" not in schema["properties"]["replicas"]


def test_marks_within_an_optional_type_count() -> None:
    class Some(Model):
        after: Annotated[
            Annotated[str, StringConstraints(max_length=4), Cel("self != ''", "say when")] | None,
            Meet(MeetKind.CAP, "never"),
            Field(description="When."),
        ] = None

    assert object_schema(Some)["properties"]["after"] == {
        "description": "When.",
        "type": "string",
        "maxLength": 4,
        "x-kubernetes-validations": [{"rule": "self != ''", "message": "say when"}],
    }


def test_a_pattern_says_in_words_what_it_asks_for() -> None:
    class One(Model):
        key: Annotated[str, StringConstraints(pattern="^[a-z]+$"), Words("lower case"), Field(description="Key.")]

    field = object_schema(One)["properties"]["key"]
    assert field["pattern"] == "^[a-z]+$"
    assert field["x-kubernetes-validations"] == [{"rule": "self.matches(r'^[a-z]+$')", "message": "must be lower case"}]
    assert words_for(field) == "must be lower case"


def test_a_pattern_without_words_has_none() -> None:
    assert words_for({"type": "string", "pattern": "^a$"}) is None


@pytest.mark.parametrize(
    ("mark", "keywords"),
    [
        (ATOMIC, {"x-kubernetes-list-type": "atomic"}),
        (SET, {"x-kubernetes-list-type": "set"}),
        (BY_NAME, {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
    ],
)
def test_a_list_is_of_the_type_that_its_mark_says(mark: object, keywords: dict[str, object]) -> None:
    class Some(Model):
        parts: Annotated[list[Leaf], mark, Field(min_length=1, max_length=3, description="Parts.")]

    assert object_schema(Some)["properties"]["parts"] == {
        "description": "Parts.",
        "type": "array",
        "items": object_schema(Leaf),
        "minItems": 1,
        "maxItems": 3,
        **keywords,
    }


def test_a_map_bounds_its_entries_and_describes_its_values() -> None:
    class Some(Model):
        labels: Annotated[
            dict[str, Annotated[str, StringConstraints(max_length=63)]],
            Field(max_length=16),
            Cel("self.all(key, key != '')", "name every key"),
            Field(description="Labels."),
        ]

    assert object_schema(Some)["properties"]["labels"] == {
        "description": "Labels.",
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 63},
        "maxProperties": 16,
        "x-kubernetes-validations": [{"rule": "self.all(key, key != '')", "message": "name every key"}],
    }


def test_a_model_brings_its_words_its_rules_and_its_ownership() -> None:
    assert object_schema(Named) == {
        "description": "What a user reads of a list's items.",
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"description": "Its name.", "type": "string", "maxLength": 8}},
        "x-kubernetes-map-type": "atomic",
        "x-kubernetes-validations": [{"rule": "has(self.name)", "message": "name it", "fieldPath": ".name"}],
    }


def test_a_field_describes_itself_better_than_its_model_does() -> None:
    class Some(Model):
        part: Annotated[Named | None, Field(description="This part.")] = None

    assert object_schema(Some)["properties"]["part"]["description"] == "This part."


def test_an_alias_is_the_name_on_the_wire() -> None:
    class Some(Model):
        base_url: Annotated[str, StringConstraints(max_length=9), Field(alias="baseURL", description="URL.")]

    assert list(object_schema(Some)["properties"]) == ["baseURL"]


def test_a_union_of_types_is_refused() -> None:
    class Either(Model):
        value: Annotated[int | str, Field(description="Either.")]

    with pytest.raises(TypeError, match="optional siblings"):
        object_schema(Either)


def test_a_type_that_no_structural_schema_can_say_is_refused() -> None:
    class Bytes(Model):
        value: Annotated[bytes, Field(description="Raw.")]

    with pytest.raises(TypeError, match="bytes"):
        object_schema(Bytes)
