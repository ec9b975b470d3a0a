"""The vectors of one partition, and which of them are nearest to another.

Few are looked at one by one; many stand in a graph (HNSW, by usearch), whose search grows with the logarithm
of their number (tests/bench/cache.py).
"""

from typing import TYPE_CHECKING, Any

from regent_runtime.cache.embedder import DIMENSIONS

if TYPE_CHECKING:
    from regent_runtime.cache.embedder import Vector

FEW = 256
_CONNECTIVITY, _WIDTH_OF_ADDING, _WIDTH_OF_SEARCH = 16, 128, 64


class Neighbours:
    """Keys are whole numbers, each given once."""

    def __init__(self) -> None:
        self._few: dict[int, Vector] = {}
        self._graph: Any = None

    def __len__(self) -> int:
        return len(self._few) if self._graph is None else len(self._graph)

    def add(self, key: int, vector: "Vector") -> None:
        if self._graph is None and len(self._few) >= FEW:
            self._graph = _graph()
            for each, known in self._few.items():
                self._graph.add(each, known)
            self._few.clear()
        if self._graph is None:
            self._few[key] = vector
        else:
            self._graph.add(key, vector)

    def remove(self, key: int) -> None:
        if self._graph is None:
            self._few.pop(key, None)
        else:
            self._graph.remove(key)

    def nearest(self, vector: "Vector", count: int) -> list[tuple[int, float]]:
        """Keys and cosines, the nearest first."""
        if self._graph is None:
            near = sorted(((float(known @ vector), key) for key, known in self._few.items()), reverse=True)
            return [(key, cosine) for cosine, key in near[:count]]
        found = self._graph.search(vector, count)
        return [(int(key), 1.0 - float(distance)) for key, distance in zip(found.keys, found.distances, strict=True)]


def _graph() -> Any:
    from usearch.index import Index  # noqa: PLC0415 - of the extra, and only where a partition is large

    return Index(
        ndim=DIMENSIONS,
        metric="cos",
        dtype="i8",
        connectivity=_CONNECTIVITY,
        expansion_add=_WIDTH_OF_ADDING,
        expansion_search=_WIDTH_OF_SEARCH,
    )
