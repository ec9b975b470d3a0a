"""docs/reference/enforcement.md: where each field of AgentPolicy is enforced, and which tests fail when it is ignored.

Fields come from the schema, readers from the source (who reads the attribute), tests from the mark `@enforces`. A field
without a reader or without a test is a promise that nobody keeps: `unkept` names it, and `make verify` fails.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic.alias_generators import to_snake

from regent_api.crd import root_schema
from regent_api.kinds import AGENT_POLICY
from regent_api.model import Meet
from regent_api.reference import meets, table
from regent_api.schema import Schema
from regent_api.types import Sensitivity

ROOT = Path(__file__).resolve().parent.parent
READERS = (
    "crds/src/regent_api/config.py",
    "crds/src/regent_api/effective.py",
    "operator/src/regent_operator/plan",
    "operator/src/regent_operator/engine",
    "runtime/src/regent_runtime",
)
MERGERS = {"plan/lattice.py", "plan/policy.py"}
"""They carry every field and enforce none."""
MOST_SHOWN = 4


@dataclass(frozen=True)
class Kept:
    """A field, who reads it, and the tests that fail when it is ignored."""

    path: str
    meet: Meet | None
    readers: tuple[str, ...]
    tests: tuple[str, ...]


@cache
def fields() -> tuple[Kept, ...]:
    """Every field of AgentPolicy's spec, in the order of the API."""
    opinions = {path.removeprefix("spec."): meet for path, meet in meets(AGENT_POLICY.spec, "spec").items()}
    marked = _marked_tests()
    read = _read_attributes()
    return tuple(
        Kept(path, _meet(path, opinions), tuple(_readers(path, read)), tuple(sorted(marked[path]))) for path in _paths()
    )


def unkept() -> list[str]:
    """A sentence for each field without a reader or a test, and for each mark that names no field."""
    silent = [f"{kept.path}: no code reads it" for kept in fields() if not kept.readers]
    untested = [f"{kept.path}: no test bears @enforces of it" for kept in fields() if not kept.tests]
    known = {kept.path for kept in fields()}
    astray = [f"{path}: @enforces names no field" for path in _marked_tests() if path not in known]
    return [*silent, *untested, *astray]


def page() -> str:
    rows = (
        (
            f"`{kept.path}`",
            kept.meet.kind.value if kept.meet else "not met",
            kept.meet.default if kept.meet else "",
            ", ".join(f"`{reader}`" for reader in kept.readers[:MOST_SHOWN]),
            "<br>".join(kept.tests[:MOST_SHOWN]),
        )
        for kept in fields()
    )
    header = ("Field", "Meet", "Where no policy has an opinion", "Read by", "Tests that fail when it is ignored")
    return f"# Where each policy field is enforced\n\n{PREFACE}\n\n{table(header, rows)}"


def _paths() -> list[str]:
    spec = root_schema(AGENT_POLICY)["properties"]["spec"]
    return [path.removeprefix(".") for path in _leaves(spec, "")]


def _leaves(schema: Schema, path: str) -> Iterator[str]:
    """Fields as marks name them: no `[]`, selectors and references whole, no name that only tells entries apart."""
    for key, field in schema.get("properties", {}).items():
        where = f"{path}.{key}"
        item = field.get("items", {})
        names = field.get("x-kubernetes-list-map-keys", [])
        if item.get("properties"):
            inner = {name: value for name, value in item["properties"].items() if name not in names}
            yield from _leaves({"properties": inner}, where)
        elif "properties" in field and "matchLabels" not in field["properties"] and not key.endswith("Ref"):
            yield from _leaves(field, where)
        else:
            yield where


def _meet(path: str, opinions: Mapping[str, Meet]) -> Meet | None:
    """The field's, or that of the list that it is a part of."""
    while path and path not in opinions:
        path = path.rpartition(".")[0]
    return opinions.get(path)


def _marked_tests() -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                where = f"{file.relative_to(ROOT / 'tests')}::{node.name}"
                for path in _named(node.decorator_list):
                    found[path].add(where)
    return found


def _named(decorators: Iterable[ast.expr]) -> Iterator[str]:
    for call in decorators:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "enforces":
            for argument in call.args:
                yield from _labels(str(ast.literal_eval(argument)))


def _labels(path: str) -> list[str]:
    return [path.replace("*", label) for label in Sensitivity] if "*" in path else [path]


@dataclass(frozen=True)
class _Module:
    """`attributes` that it reads, and those in pairs (`size.turn_timeout`), `classes` that it names, `words` of its
    name, attributes and constants.
    """

    name: str
    attributes: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    classes: frozenset[str]
    words: frozenset[str]


def _read_attributes() -> list[_Module]:
    found = []
    for file in sorted({file for room in READERS for file in _modules(ROOT / room)}):
        name = str(file).rpartition("/src/")[2]
        if not any(name.endswith(merger) for merger in MERGERS):
            nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
            reads = [node for node in nodes if isinstance(node, ast.Attribute)]
            attributes = frozenset(node.attr for node in reads)
            pairs = frozenset((node.value.attr, node.attr) for node in reads if isinstance(node.value, ast.Attribute))
            named = {node.name for node in nodes if isinstance(node, ast.ClassDef | ast.alias)}
            texts = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
            paths = {text for text in texts if " " not in text}
            words = {word for text in {*paths, name} for word in re.split(r"[^A-Za-z]+", text)}
            found.append(_Module(name, attributes, pairs, frozenset(named), frozenset(words | attributes)))
    return found


def _modules(room: Path) -> Iterable[Path]:
    return [room] if room.is_file() else room.rglob("*.py")


def _readers(path: str, read: Iterable[_Module]) -> list[str]:
    """Modules that read the attribute, and its group where some do.

    None that only knows a class of something else with such a field. Where two fields of the policy end alike, such as
    `patterns.re2`, those that know most of the path before it.
    """
    *groups, leaf = path.split(".")
    names = {leaf, to_snake(leaf), f"{to_snake(leaf)}_seconds"}
    own, foreign = _owners(names)
    found = [each for each in read if names & each.attributes]
    clear = {(to_snake(groups[-1]), name) for name in names} if groups else set()
    found = [each for each in found if clear & each.pairs or own & each.classes or not foreign & each.classes] or found
    found = [each for each in found if not groups or to_snake(groups[-1]) in each.attributes] or found
    if sum(other.split(".")[-2:] == path.split(".")[-2:] for other in _paths()) > 1:
        known = {each: sum(bool({group, to_snake(group)} & each.words) for group in groups) for each in found}
        found = [each for each, much in known.items() if much == max(known.values())]
    return [each.name for each in found]


@cache
def _classes() -> tuple[tuple[str, bool, frozenset[str]], ...]:
    """Every class of regent_api: its name, whether it is of policies, its fields."""
    room = ROOT / "crds/src/regent_api"
    return tuple(
        (
            node.name,
            file.parent.name == "policy" or file.name == "effective.py",
            frozenset(
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            ),
        )
        for file in sorted(room.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )


def _owners(names: set[str]) -> tuple[set[str], set[str]]:
    """Classes that have a field of such a name: of policies, and of anything else."""
    having = [(name, ours) for name, ours, has in _classes() if names & has]
    own = {name for name, ours in having if ours}
    return own, {name for name, ours in having if not ours} - own


PREFACE = """\
Made by `make generate` from the schema, the source and the tests' marks; `make verify` fails when a field has no reader
or no test. Tests are relative to `tests/`; their marks claim that they fail when the field is ignored. `make
enforcement` asks: it ignores one field after the other, and for each at least one of its tests must fail, not every
one. It asks no test of `e2e/` and `api/`, and it cannot ignore `callers.oidc.issuer`, `audience` and `jwks` and
`callers.apiKeys.secretKeyRef`, without which an entry is none: for these the marks alone stand. `meet` and defaults:
[defaults](defaults.md), [api](api.md)."""
