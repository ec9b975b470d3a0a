"""The subjects' keys, a file for each agent beside its pods' logs.

A pod asks for the key of a subject and gets the one of its own agent: pseudonyms of a subject are the same in all pods
of an agent, and no agent can compute another's. Keys are read from the file at each request, so an erasure by another
process (`python3 -I -m regent_api.audit erase`, by an admin in the pod) holds at once.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regent_api.audit import erasures
from regent_api.audit.subjects import FILE, KeyFile, SubjectKey
from regent_operator.collector.tokens import Origin

LONGEST_SUBJECT = 1024
"""Characters."""
MOST_OPEN = 128
"""Agents whose file is held open."""


class AgentKeys:
    """Blocking, and safe to be called from several threads."""

    def __init__(self, folder: Path, most_open: int = MOST_OPEN) -> None:
        self._folder = folder
        self._most_open = most_open
        self._guard = threading.Lock()
        self._open: OrderedDict[Path, KeyFile] = OrderedDict()

    def key(self, origin: Origin, subject: str) -> SubjectKey:
        """The subject's key with the origin's agent, on the disk. Raises OSError (TooManySubjects), ValueError."""
        with self._file(origin) as file:
            return file.make(subject)

    def known(self, origin: Origin, subject: str) -> SubjectKey | None:
        """The subject's key with the origin's agent, where it has one. Raises OSError, ValueError."""
        with self._file(origin) as file:
            return file.get(subject)

    @contextmanager
    def _file(self, origin: Origin) -> Iterator[KeyFile]:
        path = self._of(origin) / FILE
        with self._guard:
            file = self._open.pop(path, None) or KeyFile(path)
            self._open[path] = file
            if len(self._open) > self._most_open:
                self._open.popitem(last=False)[1].close()
            yield file

    def erased(self, origin: Origin, after: int | None, most: int) -> tuple[int, list[str]]:
        """As `erasures.noted`, of the origin's agent. Raises OSError."""
        return erasures.noted(self._of(origin) / erasures.FILE, after, most)

    def prune(self) -> None:
        """Let go of the notes of erasures that every pod has had a day to read. Raises OSError."""
        for path in self._folder.glob(f"*/*/{erasures.FILE}"):
            erasures.prune(path)

    def _of(self, origin: Origin) -> Path:
        return self._folder / origin.namespace / origin.agent

    def close(self) -> None:
        with self._guard:
            while self._open:
                self._open.popitem()[1].close()
