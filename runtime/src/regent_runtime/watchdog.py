"""Waits that end in time: what `asyncio.timeout` does, in a third of its calls, and with one timer for many waits."""

import asyncio
from math import inf
from types import TracebackType
from typing import Self


class Watchdog:
    """Of the task that makes it. While `until` is set, the task is cancelled at that moment of the loop's time.

    Who waits sets `until` by `begin`, and on CancelledError asks `bit`: True once, where nobody else wants the task to
    end. To be entered, and left.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a watchdog belongs to a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = inf
        self.until = inf
        self._bites = False

    def begin(self, until: float) -> None:
        self.until = until
        if until < self._looks_at:
            self._look_at(until)

    def bit(self) -> bool:
        if not self._bites:
            return False
        self._bites = False
        return self._task.uncancel() <= self._cancelling

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.until = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._bites:
            self.bit()

    def _look_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = moment
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        """The timer is not moved with each wait: where it comes too early, it comes again."""
        self._timer, self._looks_at = None, inf
        if self.until <= self._loop.time():
            self.until, self._bites = inf, True
            self._task.cancel()
        elif self.until < inf:
            self._look_at(self.until)


class Within(Watchdog):
    """A block that may take so many seconds. Raises what is `over` where it takes longer."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def __enter__(self) -> Self:
        self.until = self._loop.time() + self.seconds
        self._look_at(self.until)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        bit = self._bites and self.bit()
        super().__exit__(kind, error, at)
        if bit and kind is asyncio.CancelledError:
            raise self.over() from None

    def over(self) -> Exception:
        return TimeoutError()
