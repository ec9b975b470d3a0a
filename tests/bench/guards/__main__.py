"""`make bench-guards`: what the guards of input find, how often they are wrong, and what they cost.

The figures of the sets depend on nothing but the files, so they are written into docs/reference/guardrails.md; what
things cost is printed, and written as JSON.
"""

import argparse
import json
import re
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from regent_runtime.guard import injection
from tests.bench.guards import corpora, cost, quality

REFERENCE = corpora.ROOT / "docs" / "reference" / "guardrails.md"
_FIGURES = re.compile(r"(?s)<!-- figures.*?-->\n.*?(?=<!-- end of figures -->)")


def mark() -> str:
    """Says of which model the figures are; tests/contract/test_input_guards.py compares it with the one that ships."""
    model = Path(injection.__file__).with_name(injection.FILE)
    return f"<!-- figures of {model.name} {sha256(model.read_bytes()).hexdigest()[:16]} -->\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("build/bench-guards.json"))
    target: Path = parser.parse_args().json
    corpora.install("data.txt")
    measured = quality.sets()
    figures = f"{quality.table(measured)}\n\nThe model at other thresholds:\n\n{quality.curve(measured)}\n"
    sys.stdout.write(figures + "\n")
    REFERENCE.write_text(_FIGURES.sub(lambda _: f"{mark()}{figures}", REFERENCE.read_text()))
    costs = cost.rows()
    for row in costs:
        ratio = f"{row.ratio:.1f}x" if row.ratio is not None else ""
        sys.stdout.write(f"{row.what:40}{row.value:12.1f} {row.unit:6}{ratio:>8}  {row.goal}\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps([asdict(row) for row in costs], indent=2) + "\n")
    sys.stderr.write(f"written to {target} and {REFERENCE}\n")


if __name__ == "__main__":
    main()
