"""Answers in the state, and what they were asked: as they are in the pod's own, sealed in one that others may read.

A state that is away holds nothing and takes nothing: no turn fails by its cache.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regent_api.config import AgentConfig
from regent_runtime.cache.asked import Asked, asked, read, written
from regent_runtime.cache.entry import Entry, decode, encode
from regent_runtime.cache.place import Place, owner
from regent_runtime.cache.sealed import MEANING, Seal
from regent_runtime.credentials import Credentials
from regent_runtime.state.contract import Meaning, StateAway
from regent_runtime.state.source import StateInUse

if TYPE_CHECKING:
    from regent_runtime.cache.embedder import Vector

FORGED = "forged"
"""What lay there was not sealed by a pod of this agent, or was changed since."""


@dataclass(frozen=True)
class Learnt:
    """Questions of a partition. `reached`: from where to read on; `more`: there may be more."""

    reached: str
    questions: Sequence[Asked] = ()
    more: bool = False


class Shelf:
    """Of one config."""

    def __init__(self, config: AgentConfig, state: StateInUse, credentials: Credentials) -> None:
        self._files = config.credential_files()
        self._keys = [file for provider in config.route.providers for file in provider.credentials]
        self._state = state.state
        self._told = state.failed
        self._credentials = credentials
        self._own = secrets.token_bytes(32)

    async def get(self, digest: bytes) -> Entry | None:
        """The answer that is kept at the place of this digest."""
        seal = self._seal(digest)
        try:
            content = await self._state.kept_answer(seal.id if seal else digest.hex())
        except StateAway:
            return None
        if content is not None and seal is not None:
            content = self._opened(seal, content)
        return None if content is None else decode(content)

    async def put(self, place: Place, made: Entry, vector: "Vector | None" = None) -> None:
        """`vector`: of the question, where others may find its answer by it."""
        id_, content = _filed(self._seal(place.digest), place.digest, encode(made))
        meaning = None
        if place.meant is not None and vector is not None:
            partition, question = place.meant.partition, asked(place.meant.text, place.digest, place.owner, vector)
            meaning = Meaning(*_filed(self._seal_of_meanings(partition), partition, written(question)))
        try:
            await self._state.keep_answer(id_, place.owner, content, place.seconds, meaning)
        except StateAway:
            return

    async def questions(self, partition: bytes, after: str) -> Learnt:
        """What was asked in a partition and has an answer, the oldest first, after what was reached (empty: all)."""
        seal = self._seal_of_meanings(partition)
        try:
            found = await self._state.meanings(seal.id if seal else partition.hex(), after)
        except StateAway:
            return Learnt(after)
        contents = [self._opened(seal, content) if seal else content for content in found.contents]
        known = [read(content) for content in contents if content is not None]
        return Learnt(found.reached, [each for each in known if each], found.more)

    async def forget(self, caller: str) -> bool:
        """Delete every answer that the caller with this digest was given; False: the state cannot be reached."""
        try:
            await self._state.discard_answers(owner(caller))
        except StateAway:
            return False
        return True

    def _opened(self, seal: Seal, content: bytes) -> bytes | None:
        opened = seal.open(content)
        if opened is None:
            self._told(FORGED)
        return opened

    def _seal(self, digest: bytes) -> Seal | None:
        return Seal.of(digest, self._credentials.digest(self._files)) if self._state.shared else None

    def _seal_of_meanings(self, partition: bytes) -> Seal | None:
        """A partition can be guessed where a question cannot, and who reads Redis may know its password. Where there is
        no other secret, they are sealed for this process alone.
        """
        if not self._state.shared:
            return None
        agents = self._credentials.any(self._keys)
        return Seal.of(partition, self._credentials.digest(self._files) if agents else self._own, MEANING)


def _filed(seal: Seal | None, digest: bytes, content: bytes) -> tuple[str, bytes]:
    """Under which id, and how."""
    return (seal.id, seal.close(content)) if seal else (digest.hex(), content)
