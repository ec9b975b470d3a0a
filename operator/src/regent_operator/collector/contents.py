"""The encrypted content that pods keep beside their logs, file by file: LOG/content/LABEL/YYYY-MM-DD.enc.

A file only grows, so where it ends is all that a pod has to ask to go on. Nobody here can read it: its keys are the
subjects', and where a key was erased nobody can at all.
"""

import re
from pathlib import Path

from regent_api.audit.content import FOLDER
from regent_api.audit.frame import CONTENT, Damaged, whole_frames
from regent_api.types import Sensitivity
from regent_operator.collector.disk import append_durably, truncate_durably
from regent_operator.collector.logs import Gap, Logs, Malformed
from regent_operator.collector.tokens import Origin

_FILE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[1-9][0-9]{0,3})?\.enc")


class Contents:
    """Blocking, for threads; a log's content is used by one at a time, which is the caller's to see to."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    def size(self, origin: Origin, label: str, file: str) -> int:
        """Bytes that are kept of a file; what a crash has torn is cut off first. Raises Malformed, Damaged, OSError."""
        path = self._path(origin, label, file)
        try:
            whole = path.stat().st_size
        except FileNotFoundError:
            return 0
        end = whole_frames(path.read_bytes(), CONTENT)
        if end < whole:
            truncate_durably(path, end)
        return end

    def add(self, origin: Origin, label: str, file: str, at: int, data: bytes) -> int:
        """Append whole frames at the end of a file; its size then, on the disk. Raises Refused, OSError."""
        path = self._path(origin, label, file)
        size = path.stat().st_size if path.exists() else 0
        if at != size:
            raise Gap(f"content from byte {at} was sent, and byte {size} is the next", size)
        _check_whole(data)
        with self._logs.room(len(data), size):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            append_durably(path, data)
        return size + len(data)

    def _path(self, origin: Origin, label: str, file: str) -> Path:
        if label not in set(Sensitivity) or not _FILE.fullmatch(file):
            raise Malformed("content is called LABEL/YYYY-MM-DD.enc, or LABEL/YYYY-MM-DD.N.enc")
        return self._logs.folder_of(origin) / FOLDER / label / file


def _check_whole(data: bytes) -> None:
    """Raises Malformed."""
    try:
        whole = whole_frames(data, CONTENT) == len(data)
    except Damaged:
        whole = False
    if not whole:
        raise Malformed("content comes in whole frames")
