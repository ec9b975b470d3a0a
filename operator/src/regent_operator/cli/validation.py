"""What the API server would say to a spec: types, bounds, and the CRD's own CEL rules and list types.

Pydantic judges shapes; the rest is read from the generated schema and evaluated by a real CEL interpreter, so that a
rule that is added to a model holds here without a second copy.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ValidationError

from regent_api.crd import root_schema
from regent_api.kinds import Kind
from regent_api.schema import Schema
from regent_operator.cli.rules import holds

_WORDS = {
    "missing": "is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string (quote it)",
    "bool_type": "must be true or false",
}


def problems(raw: Mapping[str, Any], kind: Kind) -> list[str]:
    """One line for each thing wrong with an object of a kind, as `spec.path: what to write`; no value is quoted."""
    schema = _schema(kind)
    if nulls := list(_nulls(raw.get("spec", {}), "spec")):
        return nulls
    if strange := sorted(set(raw) - set(schema["properties"])):
        known = {name: name for name in schema["properties"]}
        known |= {name: f"spec.{name}" for name in schema["properties"]["spec"].get("properties", {})}
        return [unknown([field], known) for field in strange]
    try:
        kind.spec.model_validate(raw.get("spec"))
    except ValidationError as error:
        return [_words(p, schema, raw) for p in error.errors(include_input=False, include_url=False)]
    return list(_broken_rules(schema, raw, ""))


@cache
def _schema(kind: Kind) -> Schema:
    return root_schema(kind)


def unknown(path: Sequence[int | str], known: Mapping[str, str]) -> str:
    """`known`: the fields that there are, and what to write for each."""
    near = get_close_matches(str(path[-1]), known, 1)
    return f"{path_of(path)}: unknown field; " + (
        f"did you mean {known[near[0]]}?" if near else f"known are {', '.join(sorted(known))}"
    )


def plain(problem: Mapping[str, Any]) -> str:
    """What a field must be, of one of pydantic's errors."""
    return _WORDS.get(problem["type"]) or str(problem["msg"])


def path_of(parts: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _words(problem: Mapping[str, Any], schema: Schema, raw: Mapping[str, Any]) -> str:
    path: list[int | str] = ["spec", *problem["loc"]]
    where = path_of(path)
    match problem["type"]:
        case "extra_forbidden":
            return unknown(path, {name: name for name in _at(schema, path[:-1]).get("properties", {})})
        case "string_pattern_mismatch":
            broken = _broken_rules(_at(schema, path), _value(raw, path), where)
            return next(broken, f"{where}: must match {problem['ctx']['pattern']}")
        case _:
            return f"{where}: {plain(problem)}"


def _value(raw: Any, path: Sequence[int | str]) -> Any:
    for step in path:
        raw = raw[step]
    return raw


def _at(schema: Schema, path: Sequence[int | str]) -> Schema:
    """The schema of what a path leads to; empty where it leads nowhere."""
    for step in path:
        if isinstance(step, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(step) or schema.get("additionalProperties") or {}
    return schema


def _nulls(value: Any, path: str) -> Iterator[str]:
    """The API server prunes nulls or refuses them, depending on the field; here they are always a mistake."""
    match value:
        case None:
            yield f"{path}: is null; write a value, or leave the field out"
        case dict():
            for key, inner in value.items():
                yield from _nulls(inner, f"{path}.{key}")
        case list():
            for index, inner in enumerate(value):
                yield from _nulls(inner, f"{path}[{index}]")


def _broken_rules(schema: Schema, value: Any, path: str) -> Iterator[str]:
    for validation in schema.get("x-kubernetes-validations", ()):
        if not holds(validation["rule"], value):
            yield f"{path}{validation.get('fieldPath', '')}: {validation['message']}".removeprefix(".")
    match value:
        case dict():
            for key, inner in value.items():
                yield from _broken_rules(_at(schema, [key]), inner, f"{path}.{key}".removeprefix("."))
        case list():
            yield from _repeated(schema, value, path)
            for index, inner in enumerate(value):
                yield from _broken_rules(_at(schema, [index]), inner, f"{path}[{index}]")


def _repeated(schema: Schema, values: Sequence[Any], path: str) -> Iterator[str]:
    """Entries that a list of type set or map holds twice."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if schema.get("x-kubernetes-list-type") == "set":
        identities = list(values)
    elif keys:
        identities = [tuple(value.get(key) for key in keys) for value in values]
    else:
        return
    for index, identity in enumerate(identities):
        if identity in identities[:index]:
            yield f"{path}[{index}]: stands twice{f' (by {keys[0]})' if keys else ''}; remove one"
