"""Processes named so that a number used again by the system is not mistaken for them."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """`started` is the start time in clock ticks since boot, from /proc/PID/stat."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return _stat(self.pid)[:1] not in {("Z",), ("X",), ()} and _started(self.pid) == self.started

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Nothing when it is gone."""
        if not self.alive:
            return
        try:
            (os.killpg if group else os.kill)(self.pid, number)
        except ProcessLookupError:
            return

    def gone_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end:
            time.sleep(0.01)
        return not self.alive

    def end(self, patience: float) -> None:
        """SIGTERM to its group, after `patience` seconds SIGKILL; returns when it is gone."""
        self.signal(signal.SIGTERM, group=True)
        if not self.gone_within(patience):
            self.signal(signal.SIGKILL, group=True)
            self.gone_within(5)


def running(pid: int) -> Process:
    """Raises ProcessLookupError when there is no such process."""
    started = _started(pid)
    if started is None:
        raise ProcessLookupError(pid)
    return Process(pid, started)


def current() -> Process:
    return running(os.getpid())


def first_child(pid: int) -> int | None:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _stat(pid: int) -> tuple[str, ...]:
    """The fields after the command's name, which may itself hold spaces and brackets."""
    try:
        return tuple(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split())
    except OSError:
        return ()


def _started(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[19]) if fields else None
