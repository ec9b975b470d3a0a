"""Someone who asks an agent all the while: whatever is done meanwhile, each request has an answer."""

import threading
from dataclasses import dataclass, field
from typing import Self

from tests.e2e.caller import Caller


@dataclass
class Asking:
    """From entering to leaving; `outcomes` as of caller.Answer."""

    friend: Caller
    agent: str
    """NAMESPACE/NAME."""
    outcomes: list[tuple[float, int | None, str | None, str | None]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._enough.is_set():
            self.outcomes += self.friend.ask(self.agent, repeat=2).outcomes

    def served(self) -> None:
        """Raises AssertionError: hardly anything was asked, or something was not answered."""
        assert len(self.outcomes) > 20
        assert [outcome for outcome in self.outcomes if outcome[1] != 200] == []
