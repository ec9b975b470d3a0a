"""CEL over a record: `audit.alerts[].when`. One compiler for the operator, which refuses, and the pod, which evaluates.

The language has no loops but its macros, and each record is bounded; what could still cost much is not offered: more
than two macros, long literal lists, regular expressions, time zones. The expression sees every field of a record, an
absent one as its empty value.
"""

import importlib.util
import re
import sys
from functools import cache
from importlib.machinery import PathFinder
from typing import Any

import msgspec

from regent_api.audit.record import AttemptPart, DecisionPart, Kind, Record, TokensPart

LONGEST = 1024
MOST_MACROS = 2
MOST_COMMAS = 64
_MODULE = "cel.cel"
_MACRO = re.compile(r"\b(?:all|exists|exists_one|map|filter)\b")
_FIELD = re.compile(r"\brecord\s*\.\s*([A-Za-z_]\w*)")
_OPERATORS = {"!_", "-_", "_!=_", "_%_", "_&&_", "_*_", "_+_", "_-_", "_/_", "_<=_", "_<_", "_==_", "_>=_", "_>_"}
_OPERATORS |= {"@in", "@not_strictly_false", "_?_:_", "_[_]", "_||_"}
_FUNCTIONS = _OPERATORS | {"contains", "double", "endsWith", "has", "int", "size", "startsWith", "string"}


class InvalidExpression(ValueError):  # noqa: N818 - what a user wrote, not a fault of the program
    """The text says what to write instead."""


class Expression:
    """A condition on records. Raises InvalidExpression for what is no such condition, or costs too much."""

    def __init__(self, text: str) -> None:
        _check_cost(text)
        try:
            self._program = _cel().compile(text)
            functions, variables = self._program.functions(), self._program.variables()
        except BaseException as error:
            if not _is_its_own(error):
                raise
            raise InvalidExpression(f"is not CEL: {str(error).partition(chr(10))[0][:200]}") from None
        for function in functions:
            if function not in _FUNCTIONS:
                raise InvalidExpression(f"the function {function} is not offered here; see docs/reference/audit.md")
        if "record" not in variables:
            raise InvalidExpression("it does not look at the record; write for example record.outcome == 'refused'")
        fields = seen(_SAMPLE)
        for field in _FIELD.findall(text):
            if field not in fields:
                raise InvalidExpression(f"a record has no field {field}; it has {', '.join(sorted(fields))}")
        self._try_out()

    def holds(self, record: Record) -> bool:
        """Raises InvalidExpression where it cannot be evaluated on this record, such as for a count that is absent."""
        return self._value(seen(record)) is True

    def _try_out(self) -> None:
        """On a record that has something in every list."""
        if not isinstance(self._value(seen(_SAMPLE)), bool):
            raise InvalidExpression("is no condition: it must be true or false")

    def _value(self, record: dict[str, Any]) -> Any:
        try:
            return self._program.execute({"record": record})
        except BaseException as error:
            if not _is_its_own(error):
                raise
            raise InvalidExpression(f"cannot be evaluated: {type(error).__name__}: {str(error)[:200]}") from None


def seen(record: Record) -> dict[str, Any]:
    """A record as an expression sees it: every field, an absent one as its empty value."""
    fields = msgspec.structs.asdict(record)
    fields["callerKind"] = fields.pop("caller_kind")
    fields["kind"] = str(record.kind)
    for name in ("decisions", "attempts"):
        fields[name] = [msgspec.structs.asdict(each) for each in fields[name]]
    fields["tokens"] = msgspec.structs.asdict(record.tokens or TokensPart(input=0, output=0))
    fields["content"] = record.content is not None
    return fields


def _is_its_own(error: BaseException) -> bool:
    """The interpreter's: errors of many kinds, and panics, which are no Exception."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _check_cost(text: str) -> None:
    if len(text) > LONGEST:
        raise InvalidExpression(f"is longer than {LONGEST} characters")
    if len(_MACRO.findall(text)) > MOST_MACROS:
        raise InvalidExpression(f"has more than {MOST_MACROS} of all, exists, exists_one, map and filter")
    if text.count(",") > MOST_COMMAS:
        raise InvalidExpression(f"has more than {MOST_COMMAS} commas; write shorter lists")


_SAMPLE = Record(
    kind=Kind.OUTCOME,
    id="0",
    time="2026-01-01T00:00:00.000000Z",
    agent="namespace/name",
    decisions=[DecisionPart(stage="input", action="Deny", policies=["namespace/name"])],
    attempts=[AttemptPart(provider="provider")],
    flags=["injection_attempt"],
    tokens=TokensPart(input=1, output=1),
)


@cache
def _cel() -> Any:
    """The interpreter alone: its package would import a command line with 30 MB of libraries.

    It stands in sys.modules under its own name, because a process may initialise it once, whoever imports it.
    """
    if _MODULE in sys.modules:
        return sys.modules[_MODULE]
    package = importlib.util.find_spec("cel")
    found = PathFinder.find_spec(_MODULE, package.submodule_search_locations if package else None)
    if found is None or found.loader is None:
        raise InvalidExpression("cannot be compiled here: the CEL interpreter is not installed")
    module = sys.modules[_MODULE] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
