"""Turns and actions that never came to an intent: one record each, until there are too many.

Whoever has no token can make refusals without end, and must not fill the disk with them: beyond a rate they are only
counted, by code, and the counts are one record a second. None goes unrecorded. Nor do callers that are not let in
take the places of subjects' keys: one that has no key gets one that is never written, to tell tries of an hour apart.
"""

import asyncio
import os
from collections import Counter, deque
from collections.abc import Callable

from regent_api.audit.record import Kind
from regent_api.audit.subjects import KEY_BYTES, SubjectKey, SubjectKeys
from regent_runtime.audit import entry
from regent_runtime.audit.journal import Journal
from regent_runtime.record import TurnRecord

RATE = 20.0
"""Records of single refusals a second."""
BURST = 200.0
MOST_WAITING = 256
COUNT_SECONDS = 1.0
MOST_STRANGERS = 4096
STRANGERS_SECONDS = 3600.0
"""How long keys that are never written are remembered."""


class Refusals:
    """`add` never waits; `run` writes until it is cancelled, and then writes the rest."""

    def __init__(self, journal: Journal, writer: Callable[[], entry.Writer], keys: SubjectKeys) -> None:
        self._journal = journal
        self._writer = writer
        self._keys = keys
        self._waiting: deque[TurnRecord] = deque()
        self._counts: Counter[str] = Counter()
        self._room = BURST
        self._filled = 0.0
        self._strangers: dict[str, SubjectKey] = {}
        self._strangers_since = 0.0
        self._woken = asyncio.Event()

    def add(self, turn: TurnRecord) -> None:
        if self._takes_one() and len(self._waiting) < MOST_WAITING:
            self._waiting.append(turn)
        else:
            self._counts[turn.code] += 1
        self._woken.set()

    async def run(self) -> None:
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                while self._waiting:
                    await self._write(self._waiting[0])  # it waits until it is written: an end counts it
                    self._waiting.popleft()
                if self._counts:
                    await asyncio.sleep(COUNT_SECONDS)
                    self._write_counts()
        finally:
            for turn in self._waiting:
                self._counts[turn.code] += 1
            self._write_counts()

    async def _write(self, turn: TurnRecord) -> None:
        """A caller whose key cannot be had is written down without a pseudonym."""
        caller = ""
        if turn.subject:
            try:
                caller = (await self._key(turn)).pseudonym
            except (OSError, ValueError):
                caller = ""
        self._journal.note([self._writer().of_turn(Kind.REFUSED, turn, caller=caller, **entry.ending(turn))])

    async def _key(self, turn: TurnRecord) -> SubjectKey:
        if turn.code not in entry.UNAUTHORIZED_CODES:
            return await self._keys.key(turn.subject)
        return await self._keys.known(turn.subject) or self._stranger(turn.subject)

    def _stranger(self, subject: str) -> SubjectKey:
        now = asyncio.get_running_loop().time()
        full = len(self._strangers) >= MOST_STRANGERS and subject not in self._strangers
        if full or now - self._strangers_since > STRANGERS_SECONDS:
            self._strangers, self._strangers_since = {}, now
        return self._strangers.setdefault(subject, SubjectKey(subject, os.urandom(KEY_BYTES)))

    def _write_counts(self) -> None:
        if self._counts:
            self._journal.note([self._writer().refusals(self._counts)])
            self._counts.clear()

    def _takes_one(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._room = min(BURST, self._room + (now - self._filled) * RATE)
        self._filled = now
        if self._room < 1:
            return False
        self._room -= 1
        return True
