"""Prints the mutants of some modules as JSON lines: [module, source]. Runs where cosmic-ray is installed,
which the project's own environment does not have.

A module is taken statement by statement, which is faster than to parse it anew for each mutant. Two changes that make
the same text are one mutant, and what is no Python is none.
"""

import ast
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast  # type: ignore[import-not-found]
from cosmic_ray.mutating import mutate_code  # type: ignore[import-not-found]
from cosmic_ray.plugins import get_operator, operator_names  # type: ignore[import-not-found]

KINDS = [kind for kind in map(get_operator, operator_names()) if not kind.arguments()]


def mutants(source: str) -> Iterator[str]:
    lines = source.splitlines(keepends=True)
    for begin, end in pairwise((*_begins(source), len(lines))):
        statement = "".join(lines[begin:end])
        for mutated in _of_statement(statement):
            if mutated != statement and _is_python(mutated):
                yield "".join((*lines[:begin], mutated, *lines[end:]))


def _begins(source: str) -> Iterator[int]:
    """The line in which each statement of a module begins, from 0."""
    for statement in ast.parse(source).body:
        decorators = getattr(statement, "decorator_list", ())
        yield min(node.lineno for node in (statement, *decorators)) - 1


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _of_statement(source: str) -> Iterator[str]:
    tree = get_ast(source)
    for kind in KINDS:
        operator = kind()
        places = sum(1 for node in ast_nodes(tree) for _ in operator.mutation_positions(node))
        for place in range(places):
            with suppress(AttributeError):  # cosmic-ray knows no dotted name in `except (a.B, C)`
                yield mutate_code(source, operator, place)


if __name__ == "__main__":
    for module in sys.argv[1:]:
        for mutated in dict.fromkeys(mutants(Path(module).read_text(encoding="utf-8"))):
            sys.stdout.write(json.dumps([module, mutated]) + "\n")
