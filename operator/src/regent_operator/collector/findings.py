"""Pods whose log is not in order: what they sent cannot follow on what is kept, or is another agent's, or
what is kept was changed.

The operator asks for it and tells it where people look, on the agent. In memory: a restart forgets, and a pod that goes
on with such a log is found again at its next call.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from regent_operator.collector.tokens import Origin

DAMAGED = "damaged"
"""The code of a log that was changed on the volume; the others are those of refusals: fork, gap and foreign."""
MOST = 256
"""Findings that are kept; the one that was seen longest ago goes."""
KEPT_SECONDS = 86_400.0
"""After it was last seen."""


@dataclass(frozen=True)
class Finding:
    """`at`: Unix time when it was seen last."""

    origin: Origin
    code: str
    at: int


class Findings:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._found: OrderedDict[tuple[Origin, str], float] = OrderedDict()

    def found(self, origin: Origin, code: str) -> None:
        self._found[origin, code] = self._now()
        self._found.move_to_end((origin, code))
        if len(self._found) > MOST:
            self._found.popitem(last=False)

    def all(self) -> list[Finding]:
        """By origin."""
        oldest = self._now() - KEPT_SECONDS
        kept = [Finding(*key, int(at)) for key, at in self._found.items() if at >= oldest]
        return sorted(kept, key=lambda each: (str(each.origin), each.code))
