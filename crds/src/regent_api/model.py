"""The base of every model, and the marks that carry what JSON Schema alone cannot say.

A mark stands in a field's `Annotated[...]`: list types and CEL rules go to the CRD, the meet kind goes to the
effective policy. One declaration, so that the schema, the lattice and the reference cannot disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

T = TypeVar("T")
_NOT_KEPT: set[str] = set()


class Model(BaseModel):
    """Frozen, closed (an unknown field is an error), camelCase on the wire, snake_case in Python."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    cel_rules: ClassVar[tuple["Cel", ...]] = ()
    atomic: ClassVar[bool] = False
    """One owner for the whole object in server-side apply: a selector or reference half of one writer's and half of
    another's is what neither meant."""

    def model_post_init(self, _: Any, /) -> None:
        """Which fields were stated nobody asks: None is absent. The set of them is a half of a small model's memory."""
        object.__setattr__(self, "__pydantic_fields_set__", _NOT_KEPT)

    def wire(self) -> dict[str, Any]:
        """The JSON object as users and pods see it: camelCase, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True)
class Cel:
    """A CEL validation rule (`x-kubernetes-validations`); `message` tells the user what to write instead."""

    rule: str
    message: str
    field_path: str | None = None


@dataclass(frozen=True)
class Words:
    """What the pattern beside it asks for, to follow "must be": a person does not read regular expressions.

    The API server reports the failed pattern and these words.
    """

    text: str


@dataclass(frozen=True)
class ListType:
    """`x-kubernetes-list-type`: atomic (order matters), set (allow-lists), or map by `keys`."""

    kind: str
    keys: tuple[str, ...] = ()


ATOMIC = ListType("atomic")
SET = ListType("set")
BY_NAME = ListType("map", ("name",))


class MeetKind(StrEnum):
    """How two stated opinions on a policy field become one; see `regent_operator.plan.policy`."""

    GRANT = "grant"  # a conjunction: a thing passes when every policy's opinion lets it
    CAP = "cap"  # the minimum
    FLOOR = "floor"  # the maximum
    OBLIGATION = "obligation"  # both opinions' duties; of ordered words and booleans the stricter
    COLLECTION = "collection"  # all entries, each with its policy
    FIRST = "first by name"  # one policy's opinion, whole
    NOT_MET = "not met"


@dataclass(frozen=True)
class Meet:
    """The kind of a policy field, and in words what holds where no policy has an opinion."""

    kind: MeetKind
    default: str


def marks(field: FieldInfo, kind: type[T]) -> Iterator[T]:
    """The marks of one kind that a field bears."""
    return (mark for mark in field.metadata if isinstance(mark, kind))
