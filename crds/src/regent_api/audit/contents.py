"""The files of encrypted content that are written: append-only, for each label and day. Blocking."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from regent_api.audit.content import FOLDER, SUFFIX, Sealed, path_of
from regent_api.audit.frame import CONTENT, whole_frames

MOST_OPEN = 8
FILE_BYTES = 16 * 1024 * 1024
"""The first append beyond it begins the day's next file, so that those before can be let go."""


class Contents:
    """`kept` is the bytes of all files. `add` returns when all of it is on disk; one that raises has added nothing."""

    def __init__(self, folder: Path, file_bytes: int = FILE_BYTES) -> None:
        self.folder = folder
        self._file_bytes = file_bytes
        self.kept = sum(path.stat().st_size for path in (folder / FOLDER).glob("*/*") if path.is_file())
        self._open: dict[Path, int] = {}

    def add(self, sealed: Iterable[Sealed]) -> None:
        """Raises Damaged, OSError."""
        by_file: dict[Path, list[bytes]] = {}
        for each in sealed:
            by_file.setdefault(self._current(path_of(self.folder, each.part)), []).append(each.data)
        for path, parts in by_file.items():
            self._append(path, b"".join(parts))

    def ended(self) -> list[Path]:
        """The files that nothing is appended to any more, oldest first: each but the last of its label."""
        found = (_in_order(label.glob(f"*{SUFFIX}"))[:-1] for label in (self.folder / FOLDER).glob("*"))
        return sorted((path for paths in found for path in paths), key=_place)

    def _current(self, first: Path) -> Path:
        """The file of a day to append to."""
        path = (_in_order(first.parent.glob(f"{first.stem}*{SUFFIX}")) or [first])[-1]
        if not path.exists() or path.stat().st_size < self._file_bytes:
            return path
        return first.with_name(f"{first.stem}.{_place(path)[1] + 1}{SUFFIX}")

    def delete(self, path: Path) -> None:
        size = path.stat().st_size
        path.unlink()
        self.kept -= size
        self._close(path)

    def close(self) -> None:
        for path in list(self._open):
            self._close(path)

    def _append(self, path: Path, data: bytes) -> None:
        file = self._opened(path)
        end = os.fstat(file).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            os.fdatasync(file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, end)
            self._close(path)
            raise
        self.kept += len(data)

    def _opened(self, path: Path) -> int:
        """A file that was torn by a crash is mended first: what follows could not be read. Raises Damaged, OSError."""
        if path in self._open:
            return self._open[path]
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        end = whole_frames(path.read_bytes(), CONTENT) if path.exists() else 0
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._open[path] = file
        self.kept -= os.fstat(file).st_size - end
        os.ftruncate(file, end)
        for other in list(self._open)[: max(0, len(self._open) - MOST_OPEN)]:
            self._close(other)
        return file

    def _close(self, path: Path) -> None:
        file = self._open.pop(path, None)
        if file is not None:
            os.close(file)


def _place(path: Path) -> tuple[str, int]:
    """Day, and which of its files."""
    day, _, number = path.name.removesuffix(SUFFIX).partition(".")
    return day, int(number or 0)


def _in_order(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=_place)
