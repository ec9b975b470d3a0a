"""`make bench-guards`: writes what the guards of output find and cost into docs/reference/output-guardrails.md."""

import re
import sys
from pathlib import Path

from tests.bench import output_cost, personal_data

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "output-guardrails.md"
SEED, EACH = 1, 2000


def found() -> list[str]:
    """As Markdown."""
    measured = personal_data.measure(SEED, EACH)
    lines = ["| | share |", "|---|---|"]
    lines += [f"| {name}, found of {EACH} | {share:.3f} |" for name, share in measured.recall.items()]
    return [*lines, f"| false positives, of {EACH * 4} | {measured.false_positives:.4f} |"]


def main() -> None:
    text = REFERENCE.read_text()
    for name, lines in (("personal data", found()), ("cost", output_cost.table()), ("holds", output_cost.holds())):
        sys.stdout.write("\n".join(lines) + "\n\n")
        block = re.compile(rf"(?s)(<!-- {name} -->\n).*?(<!-- end of {name} -->)")
        text = block.sub(lambda match, lines=lines: f"{match[1]}{chr(10).join(lines)}\n{match[2]}", text)  # type: ignore[misc]
    REFERENCE.write_text(text)


if __name__ == "__main__":
    main()
