"""What was made of an object, remembered for that very object: thousands of agents share a policy and a route.

By identity, since to compare two policies costs as much as to read one. The engine keeps an object the same for as long
as its spec stays; what is made of it must follow from it alone.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """The values asked for last, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, tuple[tuple[object, ...], V]] = OrderedDict()
        """A value's objects are held with it, so that an id is not given to another object meanwhile."""

    def of(self, *objects: object, make: Callable[[], V], also: Hashable = None) -> V:
        """The value for exactly these objects, and for what is equal to `also`; made when it is not known."""
        key = (*map(id, objects), also)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known[1]
        made = make()
        self._known[key] = (objects, made)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return made
