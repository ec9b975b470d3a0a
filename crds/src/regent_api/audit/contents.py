"""The files of encrypted content that are written: append-only, one for each label and day. Blocking."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from regent_api.audit.content import FOLDER, Sealed, path_of
from regent_api.audit.frame import CONTENT, whole_frames

MOST_OPEN = 8


class Contents:
    """`kept` is the bytes of all files. `add` returns when all of it is on disk; one that raises has added nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = sum(path.stat().st_size for path in (folder / FOLDER).glob("*/*") if path.is_file())
        self._open: dict[Path, int] = {}

    def add(self, sealed: Iterable[Sealed]) -> None:
        """Raises Damaged, OSError."""
        by_file: dict[Path, list[bytes]] = {}
        for each in sealed:
            by_file.setdefault(path_of(self.folder, each.part), []).append(each.data)
        for path, parts in by_file.items():
            self._append(path, b"".join(parts))

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
