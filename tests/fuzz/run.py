"""Feeds a target and looks for crashes and hangs.

A hang is an input that takes more than HANG_SECONDS of the process's own CPU time, so a busy machine makes none. One
that never ends is ended by a watchdog, by the same clock, which prints where. One that waits for something takes no
such time: it is ended too, later and by the clock on the wall.
"""

import faulthandler
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fuzz.mutate import inputs
from tests.fuzz.target import Target

HANG_SECONDS = 1.0
NEVER_SECONDS = 120
STUCK_SECONDS = 1200
"""On the wall."""
MOST_FAILURES = 5
"""After which a target is given up."""


@dataclass
class Report:
    fed: int = 0
    slowest: float = 0.0
    """CPU seconds of the slowest input."""
    failures: list[tuple[bytes, str]] = field(default_factory=list)


def run(
    target: Target, count: int, seed: int, clock: Callable[[], float] = time.process_time, *, watchdog: bool = True
) -> Report:
    """Feed `count` inputs."""
    report = Report()
    if watchdog:
        faulthandler.register(signal.SIGPROF, chain=True)
    for made in inputs(target, count, seed):
        if watchdog and report.fed % 256 == 0:
            signal.setitimer(signal.ITIMER_PROF, NEVER_SECONDS)
            faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
        begun = clock()
        try:
            target.feed(made)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            report.failures.append((made, f"{type(error).__name__}: {error}"))
        taken = clock() - begun
        report.fed += 1
        report.slowest = max(report.slowest, taken)
        if taken > HANG_SECONDS:
            report.failures.append((made, f"hang: {taken:.1f} s"))
        if len(report.failures) >= MOST_FAILURES:
            break
    if watchdog:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
    return report
