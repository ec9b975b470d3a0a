"""The API server's own account of who asked for what: the tests count the operator's writes here, not in the operator.

Records are of finished requests, and of everyone but the system's own components. A watch is recorded when it ends.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Request:
    """`user` is such as system:serviceaccount:NAMESPACE:NAME, the impersonated one if there is one.

    `code` is the HTTP status; `message` and `causes` (reasons of the answer's details) say why it was refused; `at` is
    RFC 3339 in UTC, when it was received. `body` is what was sent, of the writes whose bodies the audit policy keeps.
    """

    user: str
    agent: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    uri: str
    code: int
    message: str
    causes: tuple[str, ...]
    at: str
    body: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def moment(self) -> float:
        """Seconds since 1970."""
        return datetime.fromisoformat(self.at).timestamp()

    @property
    def is_write(self) -> bool:
        return self.verb in WRITES


class AuditLog:
    def __init__(self, file: Path) -> None:
        self.file = file

    def mark(self) -> int:
        """Where the log ends now."""
        return self.file.stat().st_size if self.file.exists() else 0

    def since(self, mark: int, *, user: str = "", agent: str = "") -> list[Request]:
        """What was asked after `mark`, by users and user agents that begin like this.

        The server writes a record after it has answered: ask once the requests of interest are a moment old.
        """
        return [r for r in self.read(mark)[0] if r.user.startswith(user) and r.agent.startswith(agent)]

    def read(self, mark: int) -> tuple[list[Request], int]:
        """What was asked after `mark`, and where to read on: who looks often reads each record once."""
        with self.file.open("rb") as log:
            log.seek(mark)
            text, _, _ = log.read().rpartition(b"\n")
        return [_request(json.loads(line)) for line in text.splitlines()], mark + len(text) + bool(text)


def _request(event: dict[str, Any]) -> Request:
    about, answer = event.get("objectRef", {}), event.get("responseStatus", {})
    return Request(
        user=(event.get("impersonatedUser") or event["user"]).get("username", ""),
        agent=event.get("userAgent", ""),
        verb=event["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        uri=event["requestURI"],
        code=answer.get("code", 0),
        message=answer.get("message", ""),
        causes=tuple(cause.get("reason", "") for cause in answer.get("details", {}).get("causes") or ()),
        at=event["requestReceivedTimestamp"],
        body=event.get("requestObject"),
    )
