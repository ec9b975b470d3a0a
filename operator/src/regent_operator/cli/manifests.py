"""Reads manifests as kubectl does: files, directories and standard input, many documents a file, `kind: List` unfolded.

A directory gives its .yaml, .yml and .json files in the order of their names, not those of its folders. What the API
server would refuse as malformed is refused here too: a key that stands twice, an object without kind or name.
"""

import sys
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

MOST_VALUES = 1_000_000
"""Of one document, with what aliases repeat: a few hundred bytes of them can stand for billions."""
STDIN = Path("-")
SUFFIXES = (".json", ".yaml", ".yml")


class ManifestError(Exception):
    """What is wrong with the manifests: one line a problem, each with the file, the object and what to write."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PathMissingError(Exception):
    """A path that was given with -f does not exist."""


@dataclass(frozen=True)
class Manifest:
    """One object and where it was read."""

    path: Path
    raw: dict[str, Any]

    @property
    def kind(self) -> str:
        """`GROUP/KIND`, or `KIND` in the core group: versions of a kind are one kind."""
        group, _, version = str(self.raw["apiVersion"]).rpartition("/")
        return f"{group}/{self.raw['kind']}" if version and group else str(self.raw["kind"])

    @property
    def title(self) -> str:
        """For messages: `examples/shop/agent.yaml: AIAgent shop`."""
        return f"{self.path}: {self.raw['kind']} {self.raw['metadata']['name']}"


def files(paths: Sequence[Path]) -> list[Path]:
    """The files that the paths name; of a directory that holds none, none. Raises PathMissingError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(entry for entry in path.iterdir() if _is_manifest(entry))
        elif path == STDIN or path.exists():
            found.append(path)
        else:
            raise PathMissingError(f'the path "{path}" does not exist')
    return found


def _is_manifest(entry: Path) -> bool:
    """Kustomize's own file stands among manifests, and is none: no API server is given it."""
    return entry.suffix in SUFFIXES and entry.stem.lower() != "kustomization" and entry.is_file()


def read(paths: Sequence[Path]) -> tuple[list[Manifest], list[str]]:
    """Every object of the paths, in order, and what stands there that is none: one line a problem, with its file.

    Raises PathMissingError.
    """
    manifests: list[Manifest] = []
    problems: list[str] = []
    for path in files(paths):
        try:
            for item in chain.from_iterable(map(_items, _documents(path))):
                if problem := _problem(item):
                    problems.append(f"{path}: {problem}")
                else:
                    manifests.append(Manifest(path, item))
        except ManifestError as error:
            problems += error.problems
    return manifests, problems


def _documents(path: Path) -> Iterator[Any]:
    """Raises ManifestError."""
    try:
        text = sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8")
        yield from yaml.load_all(text, _Loader)
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from None
    except RecursionError:
        raise ManifestError(f"{path}: not YAML: it is nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError(f"{path}: not YAML: {_one_line(error)}") from None
    except (TypeError, LookupError, AttributeError):  # PyYAML's own way to say so
        raise ManifestError(f"{path}: not YAML: a value does not fit its tag") from None


def _items(document: Any) -> Iterator[Any]:
    """Those of a list, or the document itself, where there is one."""
    if _is_list(document) and isinstance(document["items"], list):
        for item in document["items"]:
            yield from _items(item)
    elif document is not None:
        yield document


def _is_list(document: Any) -> bool:
    return isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and "items" in document


def _problem(item: Any) -> str | None:
    """Why it is no object."""
    if not isinstance(item, dict):
        return "a document is no object; start it with apiVersion, kind and metadata"
    if _is_list(item):
        return f"{item['kind']}: items must be a list"
    for field in ("apiVersion", "kind"):
        if not isinstance(item.get(field), str):
            return f"an object has no {field}; every object begins with apiVersion and kind"
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return f"{item['kind']} without metadata.name; give it a name (in quotes if a number)"
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Loader(yaml.SafeLoader):
    """YAML as the API machinery reads it: dates and keys are strings, and a key that stands twice is an error."""

    def construct_document(self, node: yaml.Node) -> Any:
        if _size(node, {}) > MOST_VALUES:
            raise yaml.constructor.ConstructorError(None, None, "aliases make it too large", node.start_mark)
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        return {_key(key): value for key, value in super().construct_mapping(node, deep).items()}


def _check_keys(node: yaml.MappingNode) -> None:
    """As they are written: to construct a mapping puts what it merges among its keys."""
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            words = "a key is an object or a list; render templates first"
            raise yaml.constructor.ConstructorError(None, None, words, key.start_mark)
        if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
        seen.add(key.value)


def _key(key: Hashable) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Values at and below a node, each as often as aliases repeat it. Raises ConstructorError for one in itself, and
    for keys that are none.
    """
    if node not in known:
        known[node] = 0
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        nodes = chain.from_iterable(parts) if isinstance(node, yaml.MappingNode) else parts
        known[node] = 1 + sum(_size(each, known) for each in nodes)
    elif not known[node]:
        raise yaml.constructor.ConstructorError(None, None, "an anchor's value contains itself", node.start_mark)
    return known[node]


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
