"""Waiting with a deadline and a reason."""

import time
from collections.abc import Callable

STEP_S = 0.05


def until(what: str, holds: Callable[[], object], seconds: float, *, step: float = STEP_S) -> float:
    """Calls `holds` until it is true and gives the seconds that took. An OSError of it counts as not yet.

    Raises TimeoutError that names `what` and the last OSError.
    """
    start = time.monotonic()
    last = ""
    while time.monotonic() - start < seconds:
        try:
            if holds():
                return time.monotonic() - start
            last = ""
        except OSError as error:
            last = f": {error}"
        time.sleep(step)
    raise TimeoutError(f"not within {seconds:g} s: {what}{last}")
