"""A thread that does one thing after the other for the event loop: an executor of one, in a tenth of its calls."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Worker:
    """`stop` it: what it was given before is done, and its thread ends. The thread begins with the first work.

    It keeps no process alive: one that ends without a stop ends what is under way, as SIGKILL would.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._given: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """What it returns, or raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._given.put((work, done))
        return done

    def stop(self) -> None:
        """Waits for the thread."""
        if self._thread is not None:
            self._given.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            work, done = given
            loop = done.get_loop()
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                try:
                    result = work()
                except BaseException as error:  # noqa: BLE001 - it is the one's who waits
                    loop.call_soon_threadsafe(_failed, done, error)
                else:
                    loop.call_soon_threadsafe(_told, done, result)
                    del result
            del given, work, done


def _told(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _failed(done: "asyncio.Future[Any]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
