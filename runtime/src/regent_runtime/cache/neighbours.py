"""The vectors of one partition, and which of them are nearest to another.

All are looked at, first by the signs of their coordinates alone: 32 bytes of each, a popcount for 64 signs. In how many
of them two vectors differ follows from their angle, so few are left to be compared as they are. A look grows with their
number, and takes a small part of what comparing all would (tests/bench/cache.py); adding and forgetting one take the
same however many there are.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from regent_runtime.cache.embedder import DIMENSIONS

if TYPE_CHECKING:
    from regent_runtime.cache.embedder import Vector

WORDS = 4
"""Of 64 signs each. The last bit stays empty: so the count of all fits into a byte."""
NEAR = 72
"""Signs in which two may differ that are near enough to be the same: at a cosine of 0.85 some 45, give or take 6."""
MARGIN = 24
"""Beyond the fewest that differ, where none is near: three times what chance adds between two that are as near."""
MOST_COMPARED = 32
"""As they are."""


class Neighbours:
    """Keys are whole numbers, each given once. Vectors are of length 1, and kept in 16 bits a coordinate."""

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._rows: dict[int, int] = {}
        self._vectors: Any
        self._signs: Any
        self._vectors, self._signs = _room_for(1)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: int, vector: "Vector") -> None:
        row = len(self._keys)
        if row == len(self._vectors):
            self._move_to(2 * row)
        self._keys.append(key)
        self._rows[key] = row
        self._vectors[row] = vector
        self._signs[:, row] = _signs(vector)

    def remove(self, key: int) -> None:
        row = self._rows.pop(key, None)
        if row is None:
            return
        last, moved = len(self._keys) - 1, self._keys.pop()
        if row != last:
            self._keys[row], self._rows[moved] = moved, row
            self._vectors[row] = self._vectors[last]
            self._signs[:, row] = self._signs[:, last]
        if 4 * last <= len(self._vectors):
            self._move_to(max(1, 2 * last))

    def nearest(self, vector: "Vector", count: int) -> Sequence[tuple[int, float]]:
        """Keys and cosines, the nearest first: `count` of them, or fewer where none else is about as near."""
        rows = self._about_as_near(vector) if len(self) > MOST_COMPARED else slice(len(self))
        cosines = self._vectors[rows].astype("float32") @ vector
        keys = self._keys[rows] if isinstance(rows, slice) else [self._keys[row] for row in rows]
        return [(keys[at], float(cosines[at])) for at in cosines.argsort()[::-1][:count]]

    def _about_as_near(self, vector: "Vector") -> Any:
        """Rows, by the signs."""
        import numpy as np  # noqa: PLC0415 - of the extra

        signs, asked = self._signs[:, : len(self)], _signs(vector)
        differ = np.bitwise_count(signs[0] ^ asked[0])
        for word in range(1, WORDS):
            differ += np.bitwise_count(signs[word] ^ asked[word])
        rows = np.flatnonzero(differ <= min(255, max(NEAR, int(differ.min()) + MARGIN)))
        if len(rows) > MOST_COMPARED:
            rows = rows[np.argpartition(differ[rows], MOST_COMPARED)[:MOST_COMPARED]]
        return rows

    def _move_to(self, room: int) -> None:
        """Into arrays of another size."""
        vectors, signs = _room_for(room)
        vectors[: len(self)] = self._vectors[: len(self)]
        signs[:, : len(self)] = self._signs[:, : len(self)]
        self._vectors, self._signs = vectors, signs


def _room_for(vectors: int) -> tuple[Any, Any]:
    import numpy as np  # noqa: PLC0415 - of the extra

    return np.zeros((vectors, DIMENSIONS), np.float16), np.zeros((WORDS, vectors), np.uint64)


def _signs(vector: "Vector") -> Any:
    """A bit for each of the first coordinates: whether it is above zero."""
    import numpy as np  # noqa: PLC0415 - of the extra

    above = vector[: 64 * WORDS] > 0
    above[-1] = False
    return np.packbits(above).view(np.uint64)
