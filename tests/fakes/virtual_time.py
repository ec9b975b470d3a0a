"""An event loop whose clock jumps: where it would wait for a moment, that moment has come.

Only while a thread works does it wait, for that thread. So what happens after an hour is seen at once, and what happens
"at once" is seen to take no time, on a machine of any speed.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.threads:
            return super().select(None)
        self.now += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> "asyncio.Future[Any]":
        self._clock.threads += 1
        working = super().run_in_executor(executor, func, *args)
        working.add_done_callback(self._ended)
        return working

    def _ended(self, _: object) -> None:
        self._clock.threads -= 1


def run(main: Coroutine[Any, Any, T]) -> T:
    """The result of `main`. Time begins at 0.0; `asyncio.get_running_loop().time()` tells it."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
