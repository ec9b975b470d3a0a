"""Answers in the state: as they are in the pod's own, sealed in one that others may read.

A state that is away holds nothing and takes nothing: no turn fails by its cache.
"""

from regent_api.config import AgentConfig
from regent_runtime.cache.entry import Entry, decode, encode
from regent_runtime.cache.place import Place, owner
from regent_runtime.cache.sealed import Seal
from regent_runtime.credentials import Credentials
from regent_runtime.state.contract import State, StateAway


class Shelf:
    """Of one config."""

    def __init__(self, config: AgentConfig, state: State, credentials: Credentials) -> None:
        self._files = config.credential_files()
        self._state = state
        self._credentials = credentials

    async def get(self, place: Place) -> Entry | None:
        seal = self._seal(place)
        try:
            content = await self._state.kept_answer(seal.id if seal else place.digest.hex())
        except StateAway:
            return None
        if content is not None and seal is not None:
            content = seal.open(content)
        return None if content is None else decode(content)

    async def put(self, place: Place, made: Entry) -> None:
        seal, content = self._seal(place), encode(made)
        id_, kept = (seal.id, seal.close(content)) if seal else (place.digest.hex(), content)
        try:
            await self._state.keep_answer(id_, place.owner, kept, place.seconds)
        except StateAway:
            return

    async def forget(self, caller: str) -> bool:
        """Delete every answer that the caller with this digest was given; False: the state cannot be reached."""
        try:
            await self._state.discard_answers(owner(caller))
        except StateAway:
            return False
        return True

    def _seal(self, place: Place) -> Seal | None:
        return Seal.of(place.digest, self._credentials.digest(self._files)) if self._state.shared else None
