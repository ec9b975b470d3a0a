"""The lattice of opinions: how what several policies say of one field becomes one value.

A field of AgentPolicy declares its kind (`Meet` in the model) and the kind is its meet; nothing here knows a field by
name, so a new field is merged rightly the day it is declared. Laws: `meet` is idempotent, commutative and associative
(sources are sets), and adding an opinion to a field that has one never lets more through.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial, reduce
from typing import Any, get_args

from pydantic.fields import FieldInfo

from regent_api.model import SET, ListType, Meet, MeetKind, Model, marks
from regent_api.policy import AgentPolicySpec
from regent_api.price import Amount, amount, words
from regent_api.types import Duration, Obligation, Opinion, Retention, seconds

DENY = frozenset({"Deny"})


@dataclass(frozen=True)
class Field:
    """A field of AgentPolicy that meets."""

    path: str
    """As users write it: `size.turnTimeout`."""
    where: tuple[str, ...]
    """Attributes in Python, from the spec to the field."""
    kind: MeetKind
    default: str
    is_duration: bool
    is_amount: bool
    """Of money: decimal text, compared as numbers."""
    is_list: bool
    """A grant of several things: what is stated of it is a conjunction of lists."""

    @property
    def effective_where(self) -> tuple[str, ...]:
        """Attributes from the effective policy to the value, where durations are seconds."""
        return (*self.where[:-1], f"{self.where[-1]}_seconds") if self.is_duration else self.where


@dataclass(frozen=True)
class Clause:
    """One policy's list of a grant, in canonical order; `key` is its canonical JSON, so equal lists have equal keys."""

    key: str
    entries: tuple[Any, ...]


@dataclass(frozen=True)
class Stated:
    """A field's value and the policies (NAMESPACE/NAME) behind it.

    Of a list grant a tuple of Clauses, sorted by key; of a collection a tuple of canonical JSON, sorted; of duties a
    frozenset of their words; of a duration seconds; of an amount of money its shortest text.
    """

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
    return {field.path: Stated(_value(field, value, source), sources) for field, value in stated if value is not None}


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


def to_effective(field: Field, value: Any) -> Any:
    """A stated value as the effective policy holds it."""
    if value is None:
        return None
    if field.is_list:
        return [list(clause.entries) for clause in value]
    if field.kind is MeetKind.COLLECTION:
        return [json.loads(entry) for entry in value]
    return sorted(value) if isinstance(value, frozenset) else value


def from_effective(field: Field, value: Any) -> Any:
    """The inverse of `to_effective`."""
    if value is None:
        return None
    if field.is_list:
        return conjunction(value)
    if field.kind is MeetKind.COLLECTION:
        return tuple(sorted(map(_canonical, value)))
    return frozenset(map(str, value)) if isinstance(value, list) else value


def _fields_of(model: type[Model], path: str = "", where: tuple[str, ...] = ()) -> Iterator[Field]:
    for name, info in model.model_fields.items():
        here = (*where, name)
        written = f"{path}.{info.alias or name}".removeprefix(".")
        mark = next(marks(info, Meet), None)
        if mark is not None:
            yield _field(info, written, here, mark)
        elif (inner := _model_of(info)) is not None:
            yield from _fields_of(inner, written, here)


def _field(info: FieldInfo, path: str, where: tuple[str, ...], mark: Meet) -> Field:
    several = next(marks(info, ListType), None) is not None or _model_of(info) is not None
    return Field(
        path=path,
        where=where,
        kind=mark.kind,
        default=mark.default,
        is_duration=not {Duration, Retention}.isdisjoint(get_args(info.annotation)),
        is_amount=Amount in get_args(info.annotation),
        is_list=several and mark.kind is MeetKind.GRANT,
    )


def _model_of(info: FieldInfo) -> type[Model] | None:
    kinds = (info.annotation, *get_args(info.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Model)), None)


def _attribute(spec: AgentPolicySpec, field: Field) -> Any:
    value: Any = spec
    for name in field.where:
        value = getattr(value, name)
        if value is None:
            return None
    return value


def _value(field: Field, value: Any, source: str) -> Any:
    if field.is_list:
        return (clause(value if isinstance(value, list) else [value]),)
    if field.kind is MeetKind.COLLECTION:
        return tuple(sorted({_canonical(_owned(entry, source)) for entry in value}))
    if isinstance(value, Obligation):
        return value.duties
    if field.is_amount:
        return words(amount(value))
    return seconds(value) if field.is_duration else value


def _owned(entry: Any, source: str) -> Any:
    """An entry of a collection with the policy that it is of; plain words are everybody's."""
    return {**entry.wire(), "policy": source} if isinstance(entry, Model) else entry


def _meet(field: Field, one: Stated, other: Stated) -> Stated:
    sources = one.sources | other.sources
    if field.kind is MeetKind.FIRST:
        return min(one, other, key=lambda stated: (min(stated.sources), stated.value))
    if field.is_list:
        clauses = {made.key: made for made in (*one.value, *other.value)}
        return Stated(tuple(clauses[key] for key in sorted(clauses)), sources)
    if field.kind is MeetKind.COLLECTION:
        return Stated(tuple(sorted({*one.value, *other.value})), sources)
    if isinstance(one.value, frozenset):
        return _both_duties(one, other)
    if one.value == other.value:
        return Stated(one.value, sources)
    stricter: Callable[..., Stated] = min if field.kind in {MeetKind.GRANT, MeetKind.CAP} else max
    return stricter(one, other, key=partial(_order, field))


def _both_duties(one: Stated, other: Stated) -> Stated:
    """Both opinions' duties. Deny absorbs all others, and is then the work of those who say it."""
    denying = [stated for stated in (one, other) if DENY.issubset(stated.value)]
    parts = denying or [one, other]
    value = DENY if denying else one.value | other.value
    return Stated(value, frozenset[str]().union(*(stated.sources for stated in parts)))


def _order(field: Field, stated: Stated) -> Any:
    if field.is_amount:
        return amount(stated.value)
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
