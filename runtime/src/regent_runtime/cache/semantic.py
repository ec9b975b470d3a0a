"""Answers found by what a question means, among those that differ from it in the last words of the user alone.

An embedder says what is near, the rules of `meaning` say what is not the same all the same. What is known of a question
(its words, its vector, and where its answer is kept) comes from the state: each look first reads on there, so that all
pods that share it know the same. One whose answer has gone from there is no hit, whoever still knows it.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from regent_runtime.cache.asked import Asked
from regent_runtime.cache.embedder import Embedder, EmbedderAway
from regent_runtime.cache.meaning import LEAST_NEARNESS_OF_REST, Wording, objection, rest
from regent_runtime.cache.neighbours import Neighbours
from regent_runtime.cache.place import Meant
from regent_runtime.cache.shelf import Learnt

if TYPE_CHECKING:
    from regent_runtime.cache.embedder import Vector

MOST_QUESTIONS = 20_000
"""Some 2 KiB each."""
MOST_LOOKED_AT = 4
"""Of those that are near enough."""
MOST_READS = 8
"""Of the state in one look; what is left comes with the next."""
MOST_EMPTY = 4096
"""Partitions; some 250 bytes each."""

Read = Callable[[bytes, str], Awaitable[Learnt]]
"""What was asked in a partition, after what was reached."""


@dataclass(frozen=True)
class Alike:
    """A question that asks the same: the digest of where its answer is kept, and its cosine."""

    place: bytes
    similarity: float


@dataclass(frozen=True)
class Looked:
    """What looking for a question came to. `vector` None: it cannot be compared."""

    alike: Alike | None = None
    vector: "Vector | None" = None


@dataclass(frozen=True)
class _Known:
    wording: Wording
    place: bytes
    owner: str
    partition: bytes


@dataclass
class _Partition:
    neighbours: Neighbours = field(default_factory=Neighbours)
    reached: str = ""
    """In the state."""


class Semantic:
    """Of one config. `least`: cosine, from which on two questions may be the same."""

    def __init__(self, least: float, embedder: Embedder, read: Read, *, most: int = MOST_QUESTIONS) -> None:
        self._least = least
        self._embedder = embedder
        self._read = read
        self._most = most
        self._keys = count(1)
        self._known: OrderedDict[int, _Known] = OrderedDict()
        """The oldest first."""
        self._partitions: dict[bytes, _Partition] = {}
        self._empty: OrderedDict[bytes, str] = OrderedDict()
        """What was reached in partitions of which nothing that was read is a question; the last read stands last."""
        self._at: dict[bytes, int] = {}
        """Digest of a place -> key."""

    async def look(self, meant: Meant) -> Looked:
        wording = Wording(meant.text)
        if not wording.comparable:
            return Looked()
        await self._catch_up(meant.partition)
        try:
            (vector,) = await self._embedder.vectors([meant.text])
            return Looked(await self._alike(meant, wording, vector), vector)
        except EmbedderAway:
            return Looked()

    def forget(self, place: bytes) -> None:
        """Its answer is gone."""
        key = self._at.get(place)
        if key is not None:
            self._drop(key)

    def forget_all(self, owner: str) -> None:
        for key in [key for key, known in self._known.items() if known.owner == owner]:
            self._drop(key)

    async def _catch_up(self, partition: bytes) -> None:
        known = self._partitions.get(partition)
        reached = known.reached if known else self._empty.get(partition, "")
        was_empty = known is None
        for _ in range(MOST_READS):
            learnt = await self._read(partition, reached)
            reached = learnt.reached
            for each in learnt.questions:
                self._remember(partition, each)
            was_empty = was_empty and not learnt.questions
            self._reach(partition, reached, was_empty=was_empty)
            if not learnt.more:
                return

    def _reach(self, partition: bytes, reached: str, *, was_empty: bool) -> None:
        """`was_empty`: it had no question. One whose questions have made room for others meanwhile is read anew."""
        self._empty.pop(partition, None)
        if (known := self._partitions.get(partition)) is not None:
            known.reached = reached
        elif reached and was_empty:
            self._empty[partition] = reached
            if len(self._empty) > MOST_EMPTY:
                self._empty.popitem(last=False)

    def _remember(self, partition: bytes, asked: Asked) -> None:
        self.forget(asked.place)
        while len(self._known) >= self._most:
            self._drop(next(iter(self._known)))
        key = next(self._keys)
        self._known[key] = _Known(Wording(asked.text), asked.place, asked.owner, partition)
        self._at[asked.place] = key
        self._partitions.setdefault(partition, _Partition()).neighbours.add(key, asked.vector)

    async def _alike(self, meant: Meant, wording: Wording, vector: "Vector") -> Alike | None:
        partition = self._partitions.get(meant.partition)
        if partition is None:
            return None
        for key, cosine in partition.neighbours.nearest(vector, MOST_LOOKED_AT):
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
        del self._at[known.place]
        neighbours = self._partitions[known.partition].neighbours
        neighbours.remove(key)
        if not len(neighbours):
            del self._partitions[known.partition]
