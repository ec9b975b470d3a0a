"""Closed tables of request fields: what is not in the dialect's table is refused by name.

A field enters with a treatment, so nothing that a caller writes reaches a provider unseen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from regent_runtime.refusals import (
    INVALID_JSON,
    INVALID_VALUE,
    MISSING_FIELD,
    UNKNOWN_FIELD,
    UNSUPPORTED_FIELD,
    Refused,
)


class Treatment(StrEnum):
    READ = "read"  # the runtime acts on it itself
    CLAMPED = "clamped"  # forwarded, never above the caps of policy, agent and provider
    FORWARDED = "forwarded"  # to the provider, validated
    PASSED = "passed"  # to providers whose `passthrough` names it, validated
    DROPPED = "dropped"  # accepted and thrown away
    REFUSED = "refused"  # 400, unless it has the value that asks for nothing


@dataclass(frozen=True)
class RequestField:
    """`accepts` is the msgspec type of a value (null counts as absent); `neutral` are the values that ask nothing."""

    treatment: Treatment
    meaning: str
    accepts: Any = Any
    neutral: tuple[Any, ...] = ()


_BODY = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Table:
    """Reads bodies by its fields."""

    def __init__(self, fields: Mapping[str, RequestField]) -> None:
        self._fields = fields
        self._decoders = {name: msgspec.json.Decoder(field.accepts | None) for name, field in fields.items()}

    def understood(self, body: bytes) -> dict[str, Any]:
        """Each field that counts, decoded. Raises Refused (400) for one that is unknown, invalid or not offered."""
        values = {}
        for name, raw in _stated(body).items():
            field = self._fields.get(name)
            if field is None:
                short = name[:64]
                raise Refused(UNKNOWN_FIELD, f"`{short}` is not a field of this API; leave it out.", param=short)
            if field.treatment is Treatment.DROPPED:
                continue
            value = self._value(name, raw)
            if value is None or (field.neutral and _is_neutral(value, field.neutral)):
                continue
            if field.treatment is Treatment.REFUSED:
                raise Refused(UNSUPPORTED_FIELD, f"`{name}` is not offered here: {field.meaning}", param=name)
            values[name] = value
        return values

    def _value(self, name: str, raw: msgspec.Raw) -> Any:
        try:
            return self._decoders[name].decode(raw)
        except msgspec.ValidationError as error:
            words, _, path = str(error).partition(" - at `$")
            param = name + path.rstrip("`")
            raise Refused(_class_of(words), f"`{param}`: {words[:200]}.", param=param[:128]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            words = f"`{name}` must be valid JSON in UTF-8 and not nest deeply."
            raise Refused(INVALID_JSON, words, param=name) from None

    def rows(self) -> list[str]:
        """For a page of the reference."""
        stated = self._fields.items()
        rows = [f"| `{name}` | {field.treatment} | {field.meaning} |" for name, field in stated]
        return ["| field | treatment | |", "|---|---|---|", *rows]


def required(name: str) -> Refused:
    return Refused(MISSING_FIELD, f"`{name}` is required.", param=name)


def _stated(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _BODY.decode(body)
    except msgspec.ValidationError:
        raise Refused(INVALID_VALUE, "The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(INVALID_JSON, "The body must be valid JSON in UTF-8 and not nest deeply.") from None


def _is_neutral(value: Any, neutral: Sequence[Any]) -> bool:
    return any(type(value) is type(other) and value == other for other in neutral)


def _class_of(words: str) -> Any:
    if words.startswith("Object contains unknown field"):
        return UNKNOWN_FIELD
    return MISSING_FIELD if words.startswith("Object missing required field") else INVALID_VALUE


LEGEND = [
    "- read: the runtime acts on it itself",
    "- clamped: forwarded, never above the caps of policy, agent and provider",
    "- forwarded: to the provider, validated",
    "- passed: as forwarded, to providers whose `passthrough` names it (routes.md)",
    "- dropped: accepted and thrown away",
    "- refused: 400 `unsupported_field`, unless it has a value that asks for nothing",
    "",
    "A forwarded field goes only to providers that can be asked for it (wires.md); where the turn may reach none,",
    "it is refused too.",
]
"""What the treatments mean, as the reference says it."""
