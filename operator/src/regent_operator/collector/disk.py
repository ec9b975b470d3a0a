"""Files that are on the disk when a function returns."""

import os
import tempfile
from pathlib import Path


def replace_durably(path: Path, content: bytes) -> None:
    """The file holds `content`, or what it held before."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        file.write(content)
        file.flush()
        os.fdatasync(file.fileno())
    Path(file.name).replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """The folder's entries (new, renamed, removed files) are on the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def append_durably(path: Path, content: bytes) -> None:
    """Raises OSError; what was written in part then stays, for a reader to see as torn."""
    new = not path.exists()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.fdatasync(file)
    finally:
        os.close(file)
    if new:
        sync_folder(path.parent)


def truncate_durably(path: Path, size: int) -> None:
    """Raises OSError."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fdatasync(file.fileno())
