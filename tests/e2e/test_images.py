"""What lies in the images that the node runs: nobody's shell, and nothing that a read-only root would have to compile.

`tests/e2e/test_quickstart.py` shows as whom their programs run.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import pytest

from tests.cluster import images

NAMES = ("operator", "runtime", "demo-model")
PROGRAMS = {"operator": "regent_operator", "runtime": "regent_runtime", "demo-model": "regent_demo_model"}
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "busybox"}
INSTALLERS = {"pip", "pip3", "uv", "apt", "apt-get", "dpkg"}
NEVER_LOOKS_AT_THE_SOURCE = 1
"""The flags of a .pyc (PEP 552): found by hash, and the hash is not compared."""


@dataclass(frozen=True)
class Image:
    config: dict[str, object]
    files: frozenset[PurePosixPath]
    """Files and links of all layers."""
    flags: dict[PurePosixPath, int]
    """Of each .pyc."""
    privileged: tuple[str, ...]
    """What is setuid or setgid."""


@cache
def image(name: str) -> Image:
    files: set[PurePosixPath] = set()
    flags: dict[PurePosixPath, int] = {}
    privileged: list[str] = []
    with tarfile.open(images.regent(name)) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
        config = json.load(archive.extractfile(manifest["Config"]) or pytest.fail("no config"))["config"]
        for layer, entry in entries(archive, manifest["Layers"]):
            place = PurePosixPath("/") / entry.name
            files.add(place)
            if entry.isfile() and entry.mode & 0o6000:
                privileged.append(str(place))
            if place.suffix == ".pyc":
                content = layer.extractfile(entry)
                assert content
                flags[place] = int.from_bytes(content.read(8)[4:], "little")
    return Image(config, frozenset(files), flags, tuple(privileged))


def entries(archive: tarfile.TarFile, layers: list[str]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """All but folders."""
    for name in layers:
        with tarfile.open(fileobj=archive.extractfile(name)) as layer:
            yield from ((layer, entry) for entry in layer if not entry.isdir())


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_its_program_as_nobody_and_without_a_shell(name: str) -> None:
    config = image(name).config
    assert config["User"] == "65532:65532"
    start = config["Entrypoint"]
    assert isinstance(start, list)
    assert start[:4] == ["python3", "-I", "-m", PROGRAMS[name]]


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_no_shell_no_installer_and_nothing_that_gains_privileges(name: str) -> None:
    """The base that the tests make has none, and what runs on the node shows that none is needed."""
    found = image(name)
    programs = {file.name for file in found.files if {"bin", "sbin"} & {*file.parts}}
    assert "python3" in programs
    assert programs & (SHELLS | INSTALLERS) == set()
    assert found.privileged == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_module_is_compiled_and_its_source_is_never_looked_at(name: str) -> None:
    found = image(name)
    modules = {file for file in found.files if file.suffix == ".py" and is_imported(file)}
    ours = [file for file in modules if PROGRAMS[name] in file.parts]
    assert ours
    assert len(modules) > len(ours) + 100, "the standard library among them"
    compiled = {file.parent.parent / f"{file.name.partition('.')[0]}.py" for file in found.flags}
    assert sorted(map(str, modules - compiled)) == []
    assert {*found.flags.values()} == {NEVER_LOOKS_AT_THE_SOURCE}


def is_imported(file: PurePosixPath) -> bool:
    """Of the program or of the standard library, but for their own tests. (What lies in /etc is a link's target.)"""
    return {"lib", "python3.11"} <= {*file.parts} and not {"test", "tests", "lib2to3"} & {*file.parts}
