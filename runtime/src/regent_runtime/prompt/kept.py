"""Summaries that this process has made and may need in the next turn of the same conversation."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

MOST_KEPT = 512
LONGEST_KEPT = 16_384
"""Characters; a longer one is made again. All together are some 8 MiB at the most."""
KEPT_SECONDS = 900.0


class KeptSummaries:
    """Of one config, in memory, the least recently used one first out; none is older than KEPT_SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def get(self, key: bytes) -> str | None:
        until, text = self._kept.get(key, (0.0, ""))
        if self._clock() >= until:
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return text

    def put(self, key: bytes, text: str) -> None:
        if len(text) > LONGEST_KEPT:
            return
        self._kept[key] = (self._clock() + KEPT_SECONDS, text)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def key_of(parts: Iterable[str]) -> bytes:
    """Another one for any other parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(b"%d\n" % len(data))
        digest.update(data)
    return digest.digest()
