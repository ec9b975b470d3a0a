"""The commands of a guide: the `sh` blocks under one of its headings, as they stand."""

import re
from pathlib import Path

GUIDES = Path("docs/guides")


def commands(guide: str | Path, heading: str) -> list[str]:
    """Blocks in order. `guide`: a file of docs/guides, or a path. Raises ValueError where it has no such heading."""
    text = (guide if isinstance(guide, Path) else GUIDES / guide).read_text()
    _, found, section = text.partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"{guide} has no heading {heading!r}")
    return re.findall(r"^```sh\n(.*?)^```$", section.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
