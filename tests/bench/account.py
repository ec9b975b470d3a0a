"""What the operator asked of the API server in a phase, by the server's own account, read as that account grows.

What agents were told is read from the bodies of the writes of their statuses: to see that thousands are Ready nothing
is asked of the server that is measured.
"""

from collections.abc import Collection
from typing import Any

from tests.api.running_operator import USER
from tests.cluster import AuditLog, Request

Where = tuple[str, str]
"""An agent's namespace and name."""


class Account:
    """`requests` are the operator's, `everyones` all, in the order in which they ended.

    `ready`: the agents that are Ready, to begin with those that are so at the mark.
    """

    def __init__(self, log: AuditLog, mark: int, ready: Collection[Where] = ()) -> None:
        self._log = log
        self._mark = mark
        self.requests: list[Request] = []
        self.everyones: list[Request] = []
        self.ready = set(ready)
        self.configured: set[Where] = set()
        """Whose config was written."""
        self.told: set[Where] = set()
        """Whose status was written since their config was."""

    def read(self) -> "Account":
        """What is new."""
        found, self._mark = self._log.read(self._mark)
        self.everyones += found
        for request in found:
            if request.user.startswith(USER):
                self._take(request)
        return self

    def settled(self, agents: int) -> bool:
        """Whether so many agents have a new config, and were told since that they are Ready."""
        self.read()
        return len(self.configured & self.told & self.ready) >= agents

    def of(self, verb: str, resource: str, subresource: str = "") -> list[Request]:
        wanted = (verb, resource, subresource)
        return [r for r in self.requests if (r.verb, r.resource, r.subresource) == wanted]

    @property
    def writes(self) -> list[Request]:
        """All but the Lease's."""
        return [r for r in self.requests if r.is_write and r.resource != "leases"]

    def _take(self, request: Request) -> None:
        self.requests.append(request)
        where = request.namespace, request.name
        if (request.verb, request.resource) == ("patch", "configmaps"):
            self.configured.add(where)
            self.told.discard(where)
        elif (request.verb, request.resource, request.code) == ("patch", "aiagents", 200):
            self.told.add(where)
            ready = ready_condition(request)
            if ready is not None:
                (self.ready.add if is_ready(ready) else self.ready.discard)(where)


def ready_condition(request: Request) -> dict[str, Any] | None:
    """What a write of an agent's status says of Ready; None: nothing new."""
    status = (request.body or {}).get("status") or {}
    return next((c for c in status.get("conditions") or () if c["type"] == "Ready"), None)


def is_ready(condition: dict[str, Any]) -> bool:
    """Whether it serves; one that is suspended has this status for another reason."""
    return (condition["status"], condition["reason"]) == ("True", "Ready")
