"""Answers found by what a question means, among those that differ from it in the last words of the user alone.

An embedder says what is near, the rules of `meaning` say what is not the same all the same. What is remembered of a
question is in this process: its words, its vector, and where its answer is kept.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from regent_runtime.cache.embedder import Embedder, EmbedderBusy
from regent_runtime.cache.meaning import LEAST_NEARNESS_OF_REST, Wording, objection, rest
from regent_runtime.cache.neighbours import Neighbours
from regent_runtime.cache.place import Meant, Place

if TYPE_CHECKING:
    from regent_runtime.cache.embedder import Vector

MOST_QUESTIONS = 20_000
"""Some 2 KiB each."""
MOST_LOOKED_AT = 4
"""Of those that are near enough."""


@dataclass(frozen=True)
class Alike:
    """A question that asks the same: where its answer is kept, and its cosine."""

    place: Place
    similarity: float


@dataclass(frozen=True)
class Looked:
    """What looking for a question came to. `vector` None: it cannot be compared."""

    alike: Alike | None = None
    vector: "Vector | None" = None


@dataclass(frozen=True)
class _Known:
    wording: Wording
    place: Place
    partition: bytes


class Semantic:
    """Of one config. `least`: cosine, from which on two questions may be the same."""

    def __init__(self, least: float, embedder: Embedder, *, most: int = MOST_QUESTIONS) -> None:
        self._least = least
        self._embedder = embedder
        self._most = most
        self._keys = count(1)
        self._known: OrderedDict[int, _Known] = OrderedDict()
        """The oldest first."""
        self._partitions: dict[bytes, Neighbours] = {}
        self._at: dict[bytes, int] = {}
        """Digest of a place -> key."""

    async def look(self, meant: Meant) -> Looked:
        wording = Wording(meant.text)
        if not wording.comparable:
            return Looked()
        try:
            (vector,) = await self._embedder.vectors([meant.text])
            return Looked(await self._alike(meant, wording, vector), vector)
        except EmbedderBusy:
            return Looked()

    def remember(self, meant: Meant, place: Place, vector: "Vector") -> None:
        self.forget(place)
        while len(self._known) >= self._most:
            self._drop(next(iter(self._known)))
        key = next(self._keys)
        self._known[key] = _Known(Wording(meant.text), place, meant.partition)
        self._at[place.digest] = key
        self._partitions.setdefault(meant.partition, Neighbours()).add(key, vector)

    def forget(self, place: Place) -> None:
        """Its answer is gone."""
        key = self._at.get(place.digest)
        if key is not None:
            self._drop(key)

    def forget_all(self, owner: str) -> None:
        for key in [key for key, known in self._known.items() if known.place.owner == owner]:
            self._drop(key)

    async def _alike(self, meant: Meant, wording: Wording, vector: "Vector") -> Alike | None:
        partition = self._partitions.get(meant.partition)
        if partition is None:
            return None
        for key, cosine in partition.nearest(vector, MOST_LOOKED_AT):
            known = self._known.get(key)
            if known is None or cosine < self._least or objection(wording, known.wording):
                continue
            if await self._rest_is_near(wording, known.wording):
                return Alike(known.place, cosine)
        return None

    async def _rest_is_near(self, one: Wording, other: Wording) -> bool:
        parts = rest(one, other)
        if parts is None:
            return True
        mine, theirs = await self._embedder.vectors(parts)
        return float(mine @ theirs) >= LEAST_NEARNESS_OF_REST

    def _drop(self, key: int) -> None:
        known = self._known.pop(key)
        del self._at[known.place.digest]
        partition = self._partitions[known.partition]
        partition.remove(key)
        if not len(partition):
            del self._partitions[known.partition]
