"""Conditions that users write in CEL. One compiler for the operator, which refuses, and the pod, which evaluates.

The language has no loops but its macros, and what a condition looks at is bounded; what could still cost much is not
offered: more than two macros, long literal lists, regular expressions, time zones.
"""

import importlib.util
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.machinery import PathFinder
from typing import Any

LONGEST = 1024
MOST_MACROS = 2
MOST_COMMAS = 64
_MODULE = "cel.cel"
_MACRO = re.compile(r"\b(?:all|exists|exists_one|map|filter)\b")
_OPERATORS = {"!_", "-_", "_!=_", "_%_", "_&&_", "_*_", "_+_", "_-_", "_/_", "_<=_", "_<_", "_==_", "_>=_", "_>_"}
_OPERATORS |= {"@in", "@not_strictly_false", "_?_:_", "_[_]", "_||_"}
_FUNCTIONS = _OPERATORS | {"contains", "double", "endsWith", "has", "int", "size", "startsWith", "string"}


class InvalidExpression(ValueError):  # noqa: N818 - what a user wrote, not a fault of the program
    """The text says what to write instead."""


class Condition:
    """A condition on one variable, a map whose fields are those of `sample`, which has something in every list.

    Raises InvalidExpression for what is no such condition, or costs too much; `example` stands in its words.
    """

    def __init__(self, text: str, variable: str, sample: Mapping[str, Any], example: str) -> None:
        _check_cost(text)
        self._variable = variable
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
        if variable not in variables:
            raise InvalidExpression(f"it does not look at the {variable}; write for example {example}")
        for field in re.findall(rf"\b{variable}\s*\.\s*([A-Za-z_]\w*)", text):
            if field not in sample:
                raise InvalidExpression(f"a {variable} has no field {field}; it has {', '.join(sorted(sample))}")
        if not isinstance(self._value(sample), bool):
            raise InvalidExpression("is no condition: it must be true or false")

    def holds(self, value: Mapping[str, Any]) -> bool:
        """Raises InvalidExpression where it cannot be evaluated on this value."""
        return self._value(value) is True

    def _value(self, value: Mapping[str, Any]) -> Any:
        try:
            return self._program.execute({self._variable: dict(value)})
        except BaseException as error:
            if not _is_its_own(error):
                raise
            raise InvalidExpression(f"cannot be evaluated: {type(error).__name__}: {str(error)[:200]}") from None


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
