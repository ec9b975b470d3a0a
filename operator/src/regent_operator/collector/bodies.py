"""Whose bodies are held at once, while they arrive and until they are on the disk: no pod and no namespace keeps the
others from being heard.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from regent_operator.collector.tokens import Origin

AT_ONCE = 16
OF_A_NAMESPACE = 8
OF_A_POD = 1
"""A pod sends one after the other."""


class Bodies:
    """A pod waits behind itself and its namespace before it takes one of the places of all."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, origin: Origin) -> AsyncIterator[None]:
        """Held while this is open."""
        of_pod, of_namespace = self._places(str(origin), OF_A_POD), self._places(origin.namespace, OF_A_NAMESPACE)
        async with of_pod, of_namespace, self._all:
            yield

    def _places(self, name: str, most: int) -> asyncio.Semaphore:
        """Those of that name while anybody holds one or waits for it, else new ones."""
        return self._of.setdefault(name, asyncio.Semaphore(most))
