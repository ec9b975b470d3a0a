"""The pages of docs/reference that follow from the models: fields, defaults, conditions.

Made from the same schemas that the API server gets, so a page cannot promise what the server would refuse.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from regent_api import API_VERSION
from regent_api.attempting import BREAKER_DEFAULTS, FALLBACK_DEFAULTS, RETRY_DEFAULTS
from regent_api.capabilities import CAPABILITY_DEFAULTS
from regent_api.crd import root_schema
from regent_api.drain import IDLE_AFTER_DEFAULT, TIMEOUT_DEFAULT
from regent_api.kinds import AGENT_POLICY, AI_AGENT, KINDS, MODEL_ROUTE, Kind
from regent_api.model import Meet, Model, marks
from regent_api.route import TIMEOUT_DEFAULTS
from regent_api.scaling import AUTO_DEFAULTS, REPLICAS_DEFAULT
from regent_api.schema import Schema, key_of, words_for
from regent_api.status import MEANING, TYPE_MEANING

_ROUTE_DEFAULTS = {
    "providers[].capabilities": CAPABILITY_DEFAULTS,
    "fallback": FALLBACK_DEFAULTS,
    "timeouts": TIMEOUT_DEFAULTS,
    "retries": RETRY_DEFAULTS,
    "circuitBreaker": BREAKER_DEFAULTS,
}


@dataclass(frozen=True)
class Row:
    """One field; `[]` in the path stands for every item of a list."""

    path: str
    type: str
    required: bool
    bounds: str
    description: str


def pages(pod_defaults: Mapping[str, str]) -> dict[str, str]:
    """Name of the page -> Markdown. `pod_defaults`: path in AIAgent -> the value that an agent's pods get."""
    return {"api": api(), "conditions": conditions(), "defaults": defaults(pod_defaults)}


def api() -> str:
    return f"# The API: {API_VERSION}\n\n{API_PREFACE}\n" + "\n".join(_kind(kind) for kind in KINDS)


def conditions() -> str:
    types = table(("Type", "Meaning"), ((f"`{type_}`", meaning) for type_, meaning in TYPE_MEANING.items()))
    reasons = table(("Reason", "Meaning"), ((f"`{reason}`", meaning) for reason, meaning in MEANING.items()))
    return f"# Conditions and reasons\n\n{CONDITIONS_PREFACE}\n\n## Types\n\n{types}\n## Reasons\n\n{reasons}"


def defaults(pod_defaults: Mapping[str, str]) -> str:
    header = ("Field", "Value where nothing is written")
    agent = {
        "spec.scaling.replicas": str(REPLICAS_DEFAULT),
        **{f"spec.scaling.auto.{path}": value for path, value in AUTO_DEFAULTS.items()},
        "spec.drain.timeout": TIMEOUT_DEFAULT,
        "spec.drain.idleAfter": IDLE_AFTER_DEFAULT,
        "spec.suspend": "false",
        "spec.prompt.whenTooLong": "Refuse",
        "spec.batch.grouping": "None",
    }
    agent |= pod_defaults
    route = {
        f"spec.{group}.{name}": ", ".join(value) if isinstance(value, list) else str(value)
        for group, values in _ROUTE_DEFAULTS.items()
        for name, value in values.items()
    }
    policy = {path: meet.default for path, meet in meets(AGENT_POLICY.spec, "spec").items()}
    parts = (
        f"## {kind.name}\n\n{table(header, ((f'`{path}`', value) for path, value in rows.items()))}"
        for kind, rows in ((AI_AGENT, agent), (MODEL_ROUTE, route), (AGENT_POLICY, policy))
    )
    return f"# Defaults\n\n{DEFAULTS_PREFACE}\n\n" + "\n".join(parts)


def rows(schema: Schema, path: str) -> Iterator[Row]:
    """Every field below an object, depth first."""
    required = schema.get("required", [])
    for key, field in schema.get("properties", {}).items():
        where = f"{path}.{key}"
        yield Row(where, _type(field), key in required, _bounds(field), field.get("description", ""))
        if field["type"] == "array":
            yield from rows(field["items"], f"{where}[]")
        else:
            yield from rows(field, where)


def meets(model: type[Model], path: str) -> dict[str, Meet]:
    """Path -> how two opinions on the field become one."""
    found: dict[str, Meet] = {}
    for name, field in model.model_fields.items():
        where = f"{path}.{key_of(name, field)}"
        for mark in marks(field, Meet):
            found[where] = mark
        for part in get_args(field.annotation):
            if isinstance(part, type) and issubclass(part, Model):
                found |= meets(part, where)
    return found


def rules(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    """Path and message of every CEL rule, in the order of the fields."""
    for rule in schema.get("x-kubernetes-validations", []):
        if rule["message"] != words_for(schema):
            yield f"{path}{rule.get('fieldPath', '')}".removeprefix("."), rule["message"]
    for key, field in schema.get("properties", {}).items():
        yield from rules(field, f"{path}.{key}")
    if "items" in schema:
        yield from rules(schema["items"], f"{path}[]")


def _kind(kind: Kind) -> str:
    schema = root_schema(kind)
    facts = f"{kind.summary}\n\nPlural `{kind.plural}`, short name `{kind.short_name}`, namespaced."
    parts = [f"## {kind.name}\n\n{facts}\n"]
    for part, opinions in (("spec", meets(kind.spec, "spec")), ("status", {})):
        parts.append(f"### {kind.name}: {part}\n\n{_fields(schema['properties'][part], part, opinions)}")
    if checked := [(f"`{path}`", message) for path, message in rules(schema, "")]:
        parts.append(f"### {kind.name}: rules\n\n{table(('Field', 'Rule'), checked)}")
    return "\n".join(parts)


def _fields(schema: Schema, path: str, opinions: dict[str, Meet]) -> str:
    header = ["Field", "Type", "Required", "Bounds", "Description"]
    if opinions:
        header += ["Meet", "Where no policy has an opinion"]

    def cells(row: Row) -> Iterator[str]:
        yield from (f"`{row.path}`", row.type, "yes" if row.required else "", row.bounds, row.description)
        if opinions:
            meet = opinions.get(row.path)
            yield from (meet.kind.value, meet.default) if meet else ("", "")

    return table(header, (cells(row) for row in rows(schema, path)))


def _type(field: Schema) -> str:
    if field["type"] == "array":
        kind = field["x-kubernetes-list-type"]
        keys = ", ".join(field.get("x-kubernetes-list-map-keys", []))
        return f"{kind} list of {_type(field['items'])}" + (f" by {keys}" if keys else "")
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    return str(field.get("format", field["type"]))


def _bounds(field: Schema) -> str:
    item: Schema = field.get("items", {})
    words = [
        _range(field, "minimum", "maximum", ""),
        _range(field, "minItems", "maxItems", " items"),
        _range(field, "minLength", "maxLength", " characters"),
        _range(field, "minProperties", "maxProperties", " entries"),
        ", ".join(f"`{value}`" for value in field.get("enum", [])),
        words_for(field) or "",
    ]
    if item and item["type"] != "object":
        words.append(f"each: {_bounds(item)}")
    return "; ".join(word for word in words if word)


def _range(field: Schema, low: str, high: str, unit: str) -> str:
    least, most = field.get(low), field.get(high)
    if most is None:
        return "" if least is None else f"at least {least}{unit}"
    return f"at most {most}{unit}" if least is None else f"{least} to {most}{unit}"


def table(header: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    names = list(header)
    text = [_line(names), _line("---" for _ in names), *(_line(cells) for cells in lines)]
    return "\n".join(text) + "\n"


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


API_PREFACE = """\
`kubectl explain KIND.spec.FIELD` says the same. Unknown fields are errors; where a value is refused, the API server
names the field and says what to write instead.

- Absent means: nobody said anything. An empty list is refused, because absent and empty must not mean opposite things.
  An empty object (`{}`) says no more than an absent one; only selectors differ, where `{}` matches everything.
- The schemas write no defaults into your objects; what holds where nothing is written stands in
  [defaults](defaults.md).
- Lists: in an *atomic* list order matters and one writer owns the whole; a *set* holds each value once; a *map* list
  holds each key once, and several writers may own different entries of it.
- Durations are written as `250ms`, `30s`, `5m`, `1h30m`.
"""
CONDITIONS_PREFACE = """\
Every condition bears `observedGeneration`; a message is never empty and ends with the next step. `Ready` is there
from the moment an object is created (`Unknown`, `Pending`), so that nothing looks healthy before the operator has seen
it."""
DEFAULTS_PREFACE = """\
None of these is written into your objects. For AgentPolicy: what holds for an agent where no policy that applies to it
has an opinion on the field."""
