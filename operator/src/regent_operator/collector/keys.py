"""The subjects' keys, a file for each agent beside its pods' logs.

A pod asks for the key of a subject and gets the one of its own agent: pseudonyms of a subject are the same in all pods
of an agent, and no agent can compute another's. Keys are read from the file at each request, so an erasure by another
process (`python3 -I -m regent_api.audit erase`, by an admin in the pod) holds at once. A key that nobody has asked for
since before the agent's oldest record may go lapses, and gives its place to another subject.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from regent_api.audit import erasures
from regent_api.audit.subjects import FILE, KeyFile, SubjectKey, subject_digest
from regent_operator.collector import lapse
from regent_operator.collector.lapse import DAY_SECONDS, LastDays
from regent_operator.collector.tokens import Origin

LONGEST_SUBJECT = 1024
"""Characters."""
MOST_OPEN = 128
"""Agents whose file is held open."""
MARGIN_SECONDS = 7200
"""Pods use a key that they remember for up to an hour."""


class AgentKeys:
    """Blocking, and safe to be called from several threads."""

    def __init__(self, folder: Path, most_open: int = MOST_OPEN, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._most_open = most_open
        self._now = now
        self._guard = threading.Lock()
        self._open: OrderedDict[Path, _Kept] = OrderedDict()

    def key(self, origin: Origin, subject: str) -> SubjectKey:
        """The subject's key with the origin's agent, on the disk. Raises OSError (TooManySubjects), ValueError."""
        with self._kept(self._of(origin)) as kept:
            key = kept.keys.make(subject)
            kept.asked(subject, self._today)
            return key

    def known(self, origin: Origin, subject: str) -> SubjectKey | None:
        """The subject's key with the origin's agent, where it has one. Raises OSError, ValueError."""
        with self._kept(self._of(origin)) as kept:
            kept.asked(subject, self._today)
            return kept.keys.get(subject)

    def lapse(self, namespace: str, agent: str, seconds: float) -> int:
        """Destroy the agent's keys that nobody has asked for in so long; how many. Raises OSError, ValueError."""
        folder = self._folder / namespace / agent
        day = int((self._now() - seconds - MARGIN_SECONDS) // DAY_SECONDS)
        with self._kept(folder) as kept:
            kept.days.sync()
            digests = list(kept.keys.slots)
        gone = 0
        for digest in digests:  # requests come in between: each key that goes is a sync of the disk
            with self._kept(folder) as kept:
                gone += kept.lapse(digest, day, self._today)
        return gone

    def agents(self) -> Iterator[tuple[str, str]]:
        """Namespace and name of each agent that has keys. Raises OSError."""
        for path in self._folder.glob(f"*/*/{FILE}"):
            yield path.parent.parent.name, path.parent.name

    def erased(self, origin: Origin, after: int | None, most: int) -> tuple[int, list[str]]:
        """As `erasures.noted`, of the origin's agent. Raises OSError."""
        return erasures.noted(self._of(origin) / erasures.FILE, after, most)

    def prune(self) -> None:
        """Let go of the notes of erasures that every pod has had a day to read. Raises OSError."""
        for path in self._folder.glob(f"*/*/{erasures.FILE}"):
            erasures.prune(path)

    def close(self) -> None:
        with self._guard:
            while self._open:
                self._open.popitem()[1].close()

    @contextmanager
    def _kept(self, folder: Path) -> Iterator["_Kept"]:
        with self._guard:
            kept = self._open.pop(folder, None) or _Kept(folder)
            self._open[folder] = kept
            if len(self._open) > self._most_open:
                self._open.popitem(last=False)[1].close()
            yield kept

    @property
    def _today(self) -> int:
        return int(self._now() // DAY_SECONDS)

    def _of(self, origin: Origin) -> Path:
        return self._folder / origin.namespace / origin.agent


class _Kept:
    """The two files of an agent."""

    def __init__(self, folder: Path) -> None:
        self.keys = KeyFile(folder / FILE)
        try:
            self.days = LastDays(folder / lapse.FILE)
        except OSError:
            self.keys.close()
            raise

    def asked(self, subject: str, day: int) -> None:
        digest = bytes.fromhex(subject_digest(subject))
        slot = self.keys.slots.get(digest)
        if slot is not None:
            self.days.note(slot, digest, day)

    def lapse(self, digest: bytes, day: int, today: int) -> bool:
        """Destroy the subject's key, if it was last asked for before that day."""
        slot = self.keys.slots.get(digest)
        if slot is None:
            return False
        last = self.days.last(slot, digest)
        if last is None:
            self.days.note(slot, digest, today)
            return False
        return last < day and self.keys.erase_digest(digest.hex())

    def close(self) -> None:
        self.keys.close()
        self.days.close()
