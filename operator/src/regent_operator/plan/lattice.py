"""The lattice of opinions: how what several policies say of one field becomes one value.

A field of AgentPolicy declares its kind (`Meet` in the model) and the kind is its meet; nothing here knows a field by
name, so a new field is merged rightly the day it is declared. Laws: `meet` is idempotent, commutative and associative
(sources are sets), and adding an opinion to a field that has one never lets more through.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any, get_args

from pydantic.fields import FieldInfo

from regent_api.model import SET, ListType, Meet, MeetKind, Model, marks
from regent_api.policy import AgentPolicySpec
from regent_api.types import Duration, Opinion, seconds


@dataclass(frozen=True)
class Field:
    """A field of AgentPolicy that meets."""

    path: str
    """As users write it: `size.turnTimeout`."""
    group: str
    name: str
    """Attribute of the group in Python."""
    kind: MeetKind
    default: str
    is_duration: bool
    is_list: bool

    @property
    def effective_name(self) -> str:
        """Attribute in the effective policy, where durations are seconds."""
        return f"{self.name}_seconds" if self.is_duration else self.name


@dataclass(frozen=True)
class Clause:
    """One policy's list of a grant, in canonical order; `key` is its canonical JSON, so equal lists have equal keys."""

    key: str
    entries: tuple[Any, ...]


@dataclass(frozen=True)
class Stated:
    """A field's value and the policies (NAMESPACE/NAME) behind it. Lists are a tuple of Clauses, sorted by key."""

    value: Any
    sources: frozenset[str]


Opinions = Mapping[str, Stated]
"""Field path -> what is stated of it; a field on which nobody has an opinion is not there."""


@cache
def fields() -> tuple[Field, ...]:
    """Every field that meets, in the order of the model."""
    return tuple(_fields_of(AgentPolicySpec))


def opinions_of(spec: AgentPolicySpec, source: str) -> dict[str, Stated]:
    """What one policy states."""
    sources = frozenset({source})
    stated = ((field, _attribute(spec, field)) for field in fields())
    return {field.path: Stated(_value(field, value), sources) for field, value in stated if value is not None}


def meet(one: Opinions, other: Opinions) -> dict[str, Stated]:
    """What both let through, field by field."""
    both = {
        field.path: _meet(field, one[field.path], other[field.path])
        for field in fields()
        if field.path in one and field.path in other
    }
    return {**one, **other, **both}


def meet_all(opinions: Iterable[Opinions]) -> dict[str, Stated]:
    """The meet of any number; of none: no opinion on anything."""
    return reduce(meet, opinions, {})


def clause(entries: Iterable[Any]) -> Clause:
    """A list of a grant in canonical form: sorted, each entry once."""
    keyed = {_canonical(entry): entry for entry in map(_normal, entries)}
    return Clause("[" + ",".join(sorted(keyed)) + "]", tuple(keyed[key] for key in sorted(keyed)))


def conjunction(lists: Iterable[Iterable[Any]]) -> tuple[Clause, ...]:
    """A conjunction of lists in canonical form."""
    clauses = {made.key: made for made in map(clause, lists)}
    return tuple(clauses[key] for key in sorted(clauses))


def _fields_of(model: type[Model], group: str = "") -> Iterator[Field]:
    for name, info in model.model_fields.items():
        path = f"{group}.{info.alias or name}" if group else info.alias or name
        mark = next(marks(info, Meet), None)
        if mark is not None and mark.kind is not MeetKind.NOT_MET:
            yield _field(info, path, group, name, mark)
        elif not group and (inner := _model_of(info)) is not None:
            yield from _fields_of(inner, name)


def _field(info: FieldInfo, path: str, group: str, name: str, mark: Meet) -> Field:
    return Field(
        path=path,
        group=group,
        name=name,
        kind=mark.kind,
        default=mark.default,
        is_duration=Duration in get_args(info.annotation),
        is_list=next(marks(info, ListType), None) is not None,
    )


def _model_of(info: FieldInfo) -> type[Model] | None:
    kinds = (info.annotation, *get_args(info.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Model)), None)


def _attribute(spec: AgentPolicySpec, field: Field) -> Any:
    group = getattr(spec, field.group)
    return None if group is None else getattr(group, field.name)


def _value(field: Field, value: Any) -> Any:
    if field.is_list:
        return (clause(value),)
    return seconds(value) if field.is_duration else value


def _meet(field: Field, one: Stated, other: Stated) -> Stated:
    if field.is_list:
        clauses = {made.key: made for made in (*one.value, *other.value)}
        return Stated(tuple(clauses[key] for key in sorted(clauses)), one.sources | other.sources)
    if one.value == other.value:
        return Stated(one.value, one.sources | other.sources)
    stricter: Callable[..., Stated] = max if field.kind is MeetKind.FLOOR else min
    return stricter(one, other, key=_order)


def _order(stated: Stated) -> Any:
    return stated.value is Opinion.ALLOW if isinstance(stated.value, Opinion) else stated.value


def _normal(entry: Any) -> Any:
    """The entry with its sets sorted; atomic lists keep their order."""
    if not isinstance(entry, Model):
        return entry
    sets = [name for name, info in type(entry).model_fields.items() if SET in marks(info, ListType)]
    changed = {name: sorted(set(getattr(entry, name))) for name in sets if getattr(entry, name) is not None}
    return entry.model_copy(update=changed) if changed else entry


def _canonical(entry: Any) -> str:
    return json.dumps(
        entry.wire() if isinstance(entry, Model) else entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
