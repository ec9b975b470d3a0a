"""Where records go on from here: standard output as lines of JSON, or a webhook.

The segments are the queue. For each sink and log a file holds the sequence of the next record to deliver, so nothing is
buffered in memory, nothing is lost while a sink is away, and a record may be delivered twice after a crash.
A line is {"log": NAMESPACE/AGENT/POD_UID, "record": {...}}.
"""

import asyncio
import itertools
import json
import logging
import sys
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

import aiohttp

from regent_api.audit import segment
from regent_operator.collector.disk import replace_durably
from regent_operator.collector.logs import Logs
from regent_operator.collector.tokens import Origin

log = logging.getLogger(__name__)
BATCH = 200
CALL_SECONDS = 15.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0


class SinkAway(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """Nothing was delivered for certain. The text names no address and no content."""


class Sink(Protocol):
    name: str

    async def deliver(self, lines: bytes) -> None:
        """Raises SinkAway."""


class JsonLines:
    name = "json-lines"

    async def deliver(self, lines: bytes) -> None:
        def written() -> None:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()

        try:
            await asyncio.to_thread(written)
        except OSError as error:
            raise SinkAway(type(error).__name__) from None


class Webhook:
    """Posts application/x-ndjson; anything but 2xx within the deadline is tried again. No redirects."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    async def deliver(self, lines: bytes) -> None:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.post(self._url, data=lines, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SinkAway(type(error).__name__) from None
        if not 200 <= status < 300:
            raise SinkAway(f"status {status}")


class Feed:
    """Delivers every log to one sink, in the order of each log. `taken` wakes it; `run` until it is cancelled."""

    def __init__(self, sink: Sink, logs: Logs, cursors: Path, failed: Callable[[str], None] = lambda _: None) -> None:
        self._sink = sink
        self._logs = logs
        self._cursors = cursors / sink.name
        self._failed = failed
        self._due: dict[Origin, None] = {}
        self._any = asyncio.Event()

    def taken(self, origin: Origin, _: int) -> None:
        self._due[origin] = None
        self._any.set()

    async def run(self) -> None:
        origins = await asyncio.to_thread(self._logs.origins)
        await asyncio.to_thread(self._forget_all_but, set(origins))
        for origin in origins:
            self.taken(origin, 0)
        wait = FIRST_WAIT_SECONDS
        while True:
            await self._any.wait()
            try:
                await self._deliver_due()
                wait = FIRST_WAIT_SECONDS
            except (SinkAway, OSError) as error:
                self._failed(self._sink.name)
                log.warning("sink %s: %s; tried again in %.0f s", self._sink.name, error, wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _deliver_due(self) -> None:
        while self._due:
            origin = next(iter(self._due))
            del self._due[origin]  # before it is read: what comes meanwhile puts it back
            try:
                while await self._deliver_some(origin):
                    pass
            except BaseException:
                self._due[origin] = None
                raise
        self._any.clear()

    async def _deliver_some(self, origin: Origin) -> bool:
        """Deliver one batch; whether there was one."""
        start = await asyncio.to_thread(self._cursor, origin)
        lines, end = await asyncio.to_thread(self._lines, origin, start)
        if not lines:
            return False
        await self._sink.deliver(lines)
        await asyncio.to_thread(self._remember, origin, end)
        return True

    def _lines(self, origin: Origin, start: int) -> tuple[bytes, int]:
        prefix = b'{"log":' + json.dumps(str(origin)).encode() + b',"record":'
        found = itertools.islice(segment.payloads(self._logs.folder_of(origin), start), BATCH)
        lines, end = [], start
        for sequence, payload in found:
            lines.append(prefix + payload + b"}\n")
            end = sequence + 1
        return b"".join(lines), end

    def _forget_all_but(self, origins: AbstractSet[Origin]) -> None:
        """Retention has let the others go."""
        for path in list(self._cursors.glob("*/*/*")):
            if Origin(*path.relative_to(self._cursors).parts) not in origins:
                path.unlink()

    def _cursor(self, origin: Origin) -> int:
        try:
            return int((self._cursors / origin.path).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _remember(self, origin: Origin, end: int) -> None:
        path = self._cursors / origin.path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_durably(path, str(end).encode())
