"""What was made of objects, remembered for those very objects: thousands of agents share a policy and a route.

By identity, since to compare two policies costs as much as to read one. The engine keeps an object the same for as long
as its spec stays; what is made of it must follow from it alone.

Nothing is remembered of what is not there any more: what was made of one object goes with it, what was made of several
with the last who holds it, an agent's plan mostly. So memory hangs on what exists, not on how often it was edited.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary, ref

V = TypeVar("V")


class Remembered(Generic[V]):
    """A value of each object, for as long as that is there. The value must not hold its object: both would stay."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[ref[object], object, V]] = {}

    def of(self, obj: object, make: Callable[[], V], also: object = None) -> V:
        """The value for exactly this object, and for what is equal to `also` (the last one); made when not known."""
        key = id(obj)
        known = self._known.get(key)
        if known is not None and known[1] == also:
            return known[2]
        made = make()
        self._known[key] = (ref(obj, lambda _: self._known.pop(key, None)), also, made)
        return made


class Shared(Generic[V]):
    """A value for each key, for as long as somebody holds the value, and its key as long."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[Hashable, ...], V] = WeakValueDictionary()

    def of(self, *key: Hashable, make: Callable[[], V]) -> V:
        """The very same value for equal keys; what has no equality of its own counts by identity."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = make()
        return known
