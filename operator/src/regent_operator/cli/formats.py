"""How commands print what they found: a table for people, JSON or YAML for programs. Data on stdout, nothing else."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

FORMATS = ("table", "json", "yaml")
WIDEST = 60
"""Characters of a column that is not the last."""


def document(value: Any, form: str) -> str:
    """JSON or YAML, with a line end."""
    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Columns under capital heads, as kubectl prints them; the last one is as long as it is."""
    lines = [[column.upper() for column in columns], *([row[column] for column in columns] for row in rows)]
    widths = [min(max(len(line[at]) for line in lines), WIDEST) for at in range(len(columns) - 1)]
    return "".join(
        "   ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[-1]]).rstrip() + "\n"
        for line in lines
    )
