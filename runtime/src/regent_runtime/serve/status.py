"""What the pod says of itself: liveness, readiness, the digests that it enforces, and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from regent_runtime import __version__
from regent_runtime.attendance import Attendance
from regent_runtime.audit.audit import Audit
from regent_runtime.canary import Attempt, Canary, port_of
from regent_runtime.credentials import Credentials
from regent_runtime.inforce import ConfigFile
from regent_runtime.lifecycle import Lifecycle
from regent_runtime.route import errors
from regent_runtime.seal import Seals
from regent_runtime.serve.http import Receive, Scope, Send, respond
from regent_runtime.telemetry.metrics import Metrics

MOST_LISTED_BYTES = 8192
"""Of a list of Secrets' keys, as JSON. The operator reads 64 KiB of all that stands in /statusz, or nothing."""
MOST_ERROR_CHARACTERS = 1024
METRICS_TYPE = b"text/plain; version=1.0.0; charset=utf-8"


@dataclass(frozen=True)
class PodIdentity:
    """From the downward API; empty outside of a cluster."""

    name: str
    uid: str


class Status:
    """The endpoints beside the turns. Each answers from memory, so probes stay quick while turns run."""

    def __init__(
        self,
        pod: PodIdentity,
        lifecycle: Lifecycle,
        config: ConfigFile,
        seals: Seals,
        credentials: Credentials,
        metrics: Metrics,
        audit: Audit,
        attendance: Attendance,
    ) -> None:
        self._canary = Canary()
        self._pod = pod
        self._lifecycle = lifecycle
        self._config = config
        self._seals = seals
        self._credentials = credentials
        self._metrics = metrics
        self._audit = audit
        self._attendance = attendance

    async def livez(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 200, b"ok\n", media_type=b"text/plain")

    async def readyz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """200 while new turns are taken: a valid config is in force and the pod is not ending."""
        if self._lifecycle.ready:
            await respond(send, 200, b"ok\n", media_type=b"text/plain")
        else:
            words = b"draining\n" if self._lifecycle.draining else b"no valid config\n"
            await respond(send, 503, words, media_type=b"text/plain")

    async def statusz(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """`?beyond=N`: answered when audit.alertMoves is another number than N, within 25 s.

        `?canary=PORT`: answered when the pod has tried to connect to the asker's address and that port.
        """
        beyond, port, asker = _beyond(scope), port_of(scope["query_string"]), scope.get("client")
        attempt = None
        if beyond is not None:
            await self._audit.alerts.moves.beyond(beyond)
        elif port is not None and asker:
            attempt = await self._canary.attempt(asker[0], port)
        await respond(send, 200, msgspec.json.encode(self.document(attempt)))

    async def metrics(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        text = self._metrics.text(
            active=self._active(),
            config_valid=self._config.error is None,
            standings=self._lifecycle.snapshot.standings if self._lifecycle.snapshot else {},
            budgets=self._lifecycle.snapshot.budget.figures() if self._lifecycle.snapshot else (),
        )
        await respond(send, 200, text, media_type=METRICS_TYPE)

    def document(self, attempt: Attempt | None = None) -> dict[str, Any]:
        """The body of /statusz; `digests` are those of new turns, null before the first valid config.

        `attempt`: the one that the asker waited for; None: the latest.
        """
        tried = attempt or self._canary.last
        snapshot = self._lifecycle.snapshot
        oldest = self._lifecycle.oldest_turn
        keys = snapshot.callers.api_keys if snapshot else None
        needed = snapshot.config.credential_files() if snapshot else []
        return {
            "pod": {"name": self._pod.name, "uid": self._pod.uid},
            "version": __version__,
            "digests": snapshot.digests.wire() if snapshot else None,
            "oldestTurn": {"config": oldest.snapshot.digests.config} if oldest else None,
            "configError": error[:MOST_ERROR_CHARACTERS] if (error := self._config.error) else None,
            "configSequence": self._seals.sequence,
            "missingCredentials": _cut(sorted({*self._credentials.missing(needed), *(keys.missing() if keys else ())})),
            "apiKeyProblems": _cut(keys.problems()) if keys else [],
            "activeConversations": self._active(),
            "turns": self._lifecycle.turns,
            "suspended": snapshot.config.suspended if snapshot else False,
            "draining": self._lifecycle.draining,
            "canary": tried.wire() if tried else None,
            "audit": self._audit.status(),
            "providers": [
                snapshot.standings[provider.name].status(provider) for provider in snapshot.config.route.providers
            ]
            if snapshot
            else [],
            "budgets": [each.wire() for each in snapshot.budget.figures()] if snapshot else [],
            "routeErrors": errors.listed(snapshot.config.route.fallback.errors) if snapshot else [],
        }

    def _active(self) -> int:
        """0 while the pod ends: what it still has goes elsewhere, so it asks for no further pods."""
        return 0 if self._lifecycle.draining else self._attendance.figure(self._lifecycle.turns)


def _cut(listed: Sequence[str]) -> list[str]:
    """As many as there is room for; then the last word is `and N more`, which can be no Secret's."""
    room = MOST_LISTED_BYTES
    for count, each in enumerate(listed):
        room -= len(msgspec.json.encode(each)) + len(",")
        if room < 0:
            return [*listed[:count], f"and {len(listed) - count} more"]
    return [*listed]


def _beyond(scope: Scope) -> int | None:
    name, _, value = scope["query_string"].decode("latin-1").partition("=")
    return int(value) if name == "beyond" and value.isascii() and value.isdigit() and len(value) < 17 else None
