"""HTTP of the collector. Pods speak to one port, kubelet, Prometheus and auditors to the other.

    POST :8080/v1/log        R frames, consecutive -> {"size", "head"}, once they are on the disk
    GET  :8080/v1/log        {"size", "head"}: where a pod goes on, and the hash of the record before
    GET  :8080/v1/content/LABEL/FILE        {"size"}: bytes that are kept of a file of encrypted content
    POST :8080/v1/content/LABEL/FILE?at=N   C frames, the next bytes of it -> {"size"}
    POST :8080/v1/subjects   {"subject", "make"?} -> {"key"}: the subject's key with this agent, base64; made where
                             there is none, or null there if `make` is false
    GET  :8080/v1/erasures?after=N   {"next", "subjects"}: SHA-256 of the subjects of this agent erased since, in hex
    GET  :9090/livez /readyz /metrics /key
    GET  :9090/findings      {"findings": [{"namespace", "agent", "pod", "code", "at"}]}: pods whose log is not in order

Every call of the first kind bears a pod's token; what it may write and ask follows from the token alone. Errors are
{"error": {"code", "message", "size"?}}.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from regent_api.audit.frame import RECORD, BadFrame, Damaged, frames
from regent_api.audit.subjects import TooManySubjects
from regent_api.types import Sensitivity
from regent_operator.collector.bodies import Bodies
from regent_operator.collector.contents import Contents
from regent_operator.collector.findings import DAMAGED, Finding, Findings
from regent_operator.collector.intake import Intake
from regent_operator.collector.keys import LONGEST_SUBJECT, AgentKeys
from regent_operator.collector.logs import Foreign, Fork, Full, Gap, Malformed, Refused, Taken
from regent_operator.collector.metrics import Metrics
from regent_operator.collector.retention import Retention
from regent_operator.collector.tokens import Origin, TokenRefused
from regent_operator.collector.trust import Trust
from regent_operator.plan.collector import FINDINGS_PATH

log = logging.getLogger(__name__)
LARGEST_BATCH = 4 * 1024 * 1024
"""Bytes of a body."""
BODY_SECONDS = 10.0
"""One that takes longer to arrive is of a call that its pod has given up."""
ERASURES_AT_ONCE = 512
NANOSECOND_DIGITS = 20
RETENTION = "X-Regent-Retention"
"""Header: seconds for which the pod's policy wants its records kept."""
STATUS_OF = {Malformed: 400, Foreign: 403, Gap: 409, Fork: 409, Full: 507}
_JSON = "application/json"
_Handler = Callable[[web.Request, Origin], Awaitable[web.Response]]


class Collecting:
    """The port of the pods."""

    def __init__(
        self,
        trust: Trust,
        intake: Intake,
        keys: AgentKeys,
        retention: Retention,
        metrics: Metrics,
        findings: Findings,
    ) -> None:
        self._trust = trust
        self._intake = intake
        self._contents = Contents(intake.logs)
        self._keys = keys
        self._retention = retention
        self._metrics = metrics
        self._findings = findings
        self._bodies = Bodies()

    def application(self) -> web.Application:
        made = web.Application(client_max_size=LARGEST_BATCH)
        made.router.add_post("/v1/log", self._guarded(self._take))
        made.router.add_get("/v1/log", self._guarded(self._where))
        made.router.add_get("/v1/content/{label}/{file}", self._guarded(self._content_size))
        made.router.add_post("/v1/content/{label}/{file}", self._guarded(self._content))
        made.router.add_post("/v1/subjects", self._guarded(self._key))
        made.router.add_get("/v1/erasures", self._guarded(self._erased))
        return made

    def _guarded(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Nothing of a body is read before the token has been verified."""

        async def handle(request: web.Request) -> web.Response:
            try:
                origin = await self._trust.origin(request.headers.get("Authorization"))
            except TokenRefused as refused:
                self._metrics.refused("token")
                return _error(401, "token_refused", str(refused))
            try:
                return await handler(request, origin)
            except Refused as refused:
                self._report(origin, refused)
                return _error(STATUS_OF[type(refused)], refused.code, str(refused), refused.size)
            except TimeoutError:
                return _error(408, "too_slow", "the body did not come in time")
            except Damaged as damaged:
                self._metrics.refused(DAMAGED)
                log.warning("%s: %s; the log is kept as it is", origin, damaged)
                return _error(409, DAMAGED, "what is kept of this log was changed on the volume")
            except (OSError, ValueError) as error:
                self._metrics.refused("disk")
                log.warning("%s: %s", origin, type(error).__name__)
                return _error(503, "disk", "the volume cannot be used; try again")

        return handle

    async def _take(self, request: web.Request, origin: Origin) -> web.Response:
        retention = _number(request.headers.get(RETENTION))
        async with self._bodies.place(origin):
            body = await _body(request)
            try:
                taken = await self._intake.take(origin, _payloads(body))
            except (Fork, Gap, Foreign) as refused:
                self._findings.found(origin, refused.code)
                raise
        if retention is not None and taken.size:
            await self._retention.ask(origin, retention)
        self._metrics.taken(taken.fresh)
        return _held(taken)

    async def _where(self, _: web.Request, origin: Origin) -> web.Response:
        return _held(await self._intake.held(origin))

    async def _content(self, request: web.Request, origin: Origin) -> web.Response:
        label, file, at = *_file(request), _number(request.query.get("at"))
        retention = _number(request.headers.get(RETENTION))
        if at is None:
            raise Malformed("say where the content belongs: ?at=BYTES")
        async with self._bodies.place(origin):
            body = await _body(request)
            size = await self._intake.alone(origin, partial(self._contents.add, origin, label, file, at, body))
        await self._retention.ask_of_content(origin, Sensitivity(label), retention)
        return _json(200, {"size": size})

    async def _content_size(self, request: web.Request, origin: Origin) -> web.Response:
        label, file = _file(request)
        size = await self._intake.alone(origin, partial(self._contents.size, origin, label, file))
        return _json(200, {"size": size})

    async def _key(self, request: web.Request, origin: Origin) -> web.Response:
        asked = _asked(await _body(request))
        if asked is None:
            return _error(400, "malformed", 'send {"subject": TEXT}, at most 1024 characters')
        try:
            subject, make = asked
            key = await asyncio.to_thread(self._keys.key if make else self._keys.known, origin, subject)
        except TooManySubjects:
            return _error(507, "too_many_subjects", "this agent has as many subjects as it may have")
        return _json(200, {"key": base64.b64encode(key.master).decode() if key else None})

    async def _erased(self, request: web.Request, origin: Origin) -> web.Response:
        after = _number(request.query.get("after"), NANOSECOND_DIGITS)
        following, subjects = await asyncio.to_thread(self._keys.erased, origin, after, ERASURES_AT_ONCE)
        return _json(200, {"next": following, "subjects": subjects})

    def _report(self, origin: Origin, refused: Refused) -> None:
        self._metrics.refused(refused.code)
        log.warning("%s: refused %s: %s", origin, refused.code, refused)


class Telling:
    """The port of probes, Prometheus and auditors."""

    def __init__(
        self, ready: Callable[[], str | None], metrics: Metrics, verifier_key: str, findings: Findings
    ) -> None:
        self._ready = ready
        self._found = findings
        self._metrics = metrics
        self._key = verifier_key

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_get("/livez", self._livez)
        made.router.add_get("/readyz", self._readyz)
        made.router.add_get("/metrics", self._figures)
        made.router.add_get("/key", self._verifier)
        made.router.add_get(FINDINGS_PATH, self._findings)
        return made

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = self._ready()
        return web.Response(text=missing or "ok", status=503 if missing else 200)

    async def _findings(self, _: web.Request) -> web.Response:
        return _json(200, {"findings": [_finding(each) for each in self._found.all()]})

    async def _figures(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _verifier(self, _: web.Request) -> web.Response:
        return web.Response(text=self._key + "\n")


async def _body(request: web.Request) -> bytes:
    """Raises TimeoutError: it did not come in time."""
    async with asyncio.timeout(BODY_SECONDS):
        return await request.read()


def _finding(found: Finding) -> dict[str, Any]:
    origin = found.origin
    return {
        "namespace": origin.namespace,
        "agent": origin.agent,
        "pod": origin.pod,
        "code": found.code,
        "at": found.at,
    }


def _held(taken: Taken) -> web.Response:
    return _json(200, {"size": taken.size, "head": taken.head})


def _payloads(body: bytes) -> list[bytes]:
    found: list[bytes] = []
    try:
        for each in frames(body):
            if each.kind != RECORD:
                raise Malformed("a frame that is no record was sent")
            found.append(bytes(each.payload))
    except BadFrame as bad:
        raise Malformed(str(bad)) from None
    return found


def _asked(body: bytes) -> tuple[str, bool] | None:
    """A subject, and whether its key may be made."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    subject = said.get("subject") if isinstance(said, dict) else None
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        return None
    if any("\ud800" <= each <= "\udfff" for each in subject):
        return None
    return subject, said.get("make") is not False


def _file(request: web.Request) -> tuple[str, str]:
    return request.match_info["label"], request.match_info["file"]


def _number(text: str | None, digits: int = 12) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= digits else None


def _json(status: int, said: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(said).encode(), status=status, content_type=_JSON)


def _error(status: int, code: str, message: str, size: int | None = None) -> web.Response:
    error: dict[str, Any] = {"code": code, "message": message}
    return _json(status, {"error": error | ({} if size is None else {"size": size})})
