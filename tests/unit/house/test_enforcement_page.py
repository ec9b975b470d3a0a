"""docs/reference/enforcement.md names files that read the field itself, and none that reads another one of its name."""

from pathlib import Path

import pytest

PAGE = Path("docs/reference/enforcement.md")


@pytest.mark.parametrize(
    ("field", "there", "elsewhere"),
    [
        ("size.turnTimeout", "regent_api/config.py", None),
        ("limits.requestsPerMinute", "regent_runtime/limits/rates.py", "regent_runtime/limits/provider.py"),
        ("cache.maxSensitivity", "regent_runtime/cache/place.py", None),
        ("guardrails.input.patterns.re2", "regent_runtime/guard/input.py", "regent_runtime/guard/output_rules.py"),
        ("guardrails.output.patterns.re2", "regent_runtime/guard/output_rules.py", "regent_runtime/guard/input.py"),
    ],
)
def test_who_reads_a_field_is_told_from_who_reads_its_namesake(field: str, there: str, elsewhere: str | None) -> None:
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{field}` |")]
    readers = row.split("|")[4]
    assert f"`{there}`" in readers
    assert elsewhere is None or f"`{elsewhere}`" not in readers
