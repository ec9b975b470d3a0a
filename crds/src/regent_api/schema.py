"""Structural OpenAPI v3 schemas from the models.

Pydantic's own JSON Schema has `$ref` and null unions, and knows neither list types nor CEL; the API server refuses or
ignores all of that. An optional field is here a property that is not required: absent, never null. No schema defaults
are written: a default in a union would make both sides present, and one in a policy would be an opinion nobody stated.
"""

import types
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo

from regent_api.model import Cel, ListType, Model, Words

Schema = dict[str, Any]

_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}
_LENGTH = {"string": "Length", "array": "Items", "object": "Properties"}


def object_schema(model: type[Model]) -> Schema:
    """The schema of a model, its fields in the order in which they are declared."""
    schema: Schema = {"description": model.__doc__} if model.__doc__ else {}
    schema["type"] = "object"
    required = [key_of(name, field) for name, field in model.model_fields.items() if field.is_required()]
    if required:
        schema["required"] = required
    schema["properties"] = {key_of(name, field): _field(field) for name, field in model.model_fields.items()}
    if model.atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    if model.cel_rules:
        schema["x-kubernetes-validations"] = [validation(rule) for rule in model.cel_rules]
    return schema


def key_of(name: str, field: FieldInfo) -> str:
    """A field's name on the wire."""
    return field.alias or name


def validation(rule: Cel) -> Schema:
    """One entry of `x-kubernetes-validations`."""
    entry = {"rule": rule.rule, "message": rule.message}
    if rule.field_path:
        entry["fieldPath"] = rule.field_path
    return entry


def words_for(schema: Schema) -> str | None:
    """What the schema's pattern asks for, as the API server will say it."""
    matches = _worded(schema.get("pattern", ""), "")["rule"]
    rules = schema.get("x-kubernetes-validations", [])
    return next((rule["message"] for rule in rules if rule["rule"] == matches), None)


def _worded(pattern: str, words: str) -> Schema:
    return validation(Cel(f"self.matches(r'{pattern}')", f"must be {words}"))


def _field(field: FieldInfo) -> Schema:
    schema = _mark(_type(field.annotation), field.metadata)
    if field.description:
        schema = {"description": field.description} | {k: v for k, v in schema.items() if k != "description"}
    if isinstance(field.json_schema_extra, dict):
        schema |= field.json_schema_extra
    return schema


def _type(annotation: Any) -> Schema:
    """Raises TypeError for what a structural schema cannot say."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        return _mark(_type(inner), marks)
    if origin in {Union, types.UnionType}:
        return _type(_only(argument for argument in get_args(annotation) if argument is not types.NoneType))
    if origin is list:
        return {"type": "array", "items": _type(*get_args(annotation))}
    if origin is dict:
        # `propertyNames` is not structural: what the keys must look like is a CEL mark of the map's.
        return {"type": "object", "additionalProperties": _type(get_args(annotation)[1])}
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return object_schema(annotation)
    raise TypeError(f"no structural schema for {annotation!r}")


def _only(alternatives: Iterable[Any]) -> Any:
    first, *others = alternatives
    if others:
        raise TypeError(f"a union of {first!r} and {others!r}: write optional siblings and a CEL rule")
    return first


def _mark(schema: Schema, marks: Iterable[Any]) -> Schema:
    for mark in _flat(marks):
        match mark:
            case Cel():
                schema.setdefault("x-kubernetes-validations", []).append(validation(mark))
            case Words():
                schema.setdefault("x-kubernetes-validations", []).append(_worded(schema["pattern"], mark.text))
            case ListType():
                schema["x-kubernetes-list-type"] = mark.kind
                if mark.keys:
                    schema["x-kubernetes-list-map-keys"] = list(mark.keys)
            case _:
                schema |= _bound(mark, schema["type"])
    return schema


def _bound(mark: Any, type_: str) -> Schema:
    """A mark of pydantic's or annotated_types' as a keyword; nothing for a mark that is not the schema's business."""
    match mark:
        case MinLen():
            return {f"min{_LENGTH[type_]}": mark.min_length}
        case MaxLen():
            return {f"max{_LENGTH[type_]}": mark.max_length}
        case Ge():
            return {"minimum": mark.ge}
        case Le():
            return {"maximum": mark.le}
    pattern = getattr(mark, "pattern", None)
    return {"pattern": pattern} if isinstance(pattern, str) else {}


def _flat(marks: Iterable[Any]) -> Iterator[Any]:
    """Field(...) within Annotated, StringConstraints and their like, taken apart into single marks."""
    for mark in marks:
        if isinstance(mark, FieldInfo):
            yield from _flat(mark.metadata)
        elif isinstance(mark, GroupedMetadata):
            yield from _flat(mark)
        else:
            yield mark
