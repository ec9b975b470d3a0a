"""Reads manifests as kubectl does: files and directories, many documents a file, `kind: List` unfolded.

A directory gives its .yaml, .yml and .json files in the order of their names, not those of its folders. What the API
server would refuse as malformed is refused here too: a key that stands twice, an object without kind or name.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
    """The files that the paths name. Raises PathMissingError; an empty directory is not an error, as for kubectl."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(entry for entry in path.iterdir() if entry.suffix in SUFFIXES and entry.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise PathMissingError(f'the path "{path}" does not exist')
    return found


def read(paths: Sequence[Path]) -> list[Manifest]:
    """Every object of the paths, in order. Raises PathMissingError and ManifestError (with all problems at once)."""
    manifests: list[Manifest] = []
    problems: list[str] = []
    for path in files(paths):
        try:
            for document in yaml.load_all(path.read_text(encoding="utf-8"), _Loader):
                manifests += _objects(path, document)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(f"{path}: not YAML: {_one_line(error)}")
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError(*problems)
    return manifests


def _objects(path: Path, document: Any) -> Iterator[Manifest]:
    if document is None:
        return
    if not isinstance(document, dict):
        raise ManifestError(f"{path}: a document is no object; start it with apiVersion, kind and metadata")
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(path, item)
        return
    for field in ("apiVersion", "kind"):
        if not isinstance(document.get(field), str):
            raise ManifestError(f"{path}: an object has no {field}; every object begins with apiVersion and kind")
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ManifestError(f"{path}: {document['kind']} without metadata.name; give it a name (in quotes if a number)")
    yield Manifest(path, document)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Loader(yaml.SafeLoader):
    """YAML as the API machinery reads it: dates stay strings, and a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
