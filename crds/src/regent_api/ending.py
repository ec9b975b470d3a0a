"""The end of a process that has not begun to work."""

import signal
import sys


def end_on_sigterm() -> None:
    """End at once on SIGTERM, until the program takes the signal over: call it before the modules are loaded.

    A container's first process has no default action for it. Whoever deletes a pod while its modules load (a minute,
    where forty start at once) would else wait for the whole grace period: the signal comes once, and nobody hears it.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
