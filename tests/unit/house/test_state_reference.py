"""docs/reference/state.md says what each feature does while Redis is away, and when the connection changes: row by row a test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TEXT = Path("docs/reference/state.md").read_text()
TABLES = {"While Redis is away": ("Deny", "Local"), "When the connection changes": ("",)}
"""Heading -> the columns of which each needs a test."""


def rows(heading: str) -> list[str]:
    """The first cells of the first table under a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = re.search(r"^\|[-| ]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert table, heading
    return [line.split("|")[1].strip().replace("`", "") for line in table[1].splitlines()]


def marks() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of every test of tests/contract: the row, and the columns that it is about, () for all."""
    for file in Path("tests/contract").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "row":
                said, *columns = [str(ast.literal_eval(argument)) for argument in node.args]
                yield said, tuple(columns)


MARKS = list(marks())


@pytest.mark.parametrize("heading", TABLES)
def test_every_row_has_a_test_in_each_of_its_columns(heading: str) -> None:
    untested = [
        (said, column)
        for said in rows(heading)
        for column in TABLES[heading]
        if not any(said == marked and column in (columns or TABLES[heading]) for marked, columns in MARKS)
    ]
    assert len(rows(heading)) > 5
    assert untested == []


def test_no_mark_names_what_is_no_row() -> None:
    known = {said for heading in TABLES for said in rows(heading)}
    assert {said for said, _ in MARKS} - known == set()
