"""One connection to Redis, shared by all turns: requests are pipelined, and every one has a deadline.

Nothing runs in the background. Who needs the connection makes it; after a failure everybody is told at once that the
state is away, until RETRY_SECONDS have passed and the next one tries. Addresses are judged as for every outbound
connection, and certificates are checked against the system's.
"""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
from aiohappyeyeballs import start_connection
from aiohttp.abc import ResolveResult

from regent_runtime.addresses import DestinationRefused
from regent_runtime.credentials import CredentialUnusable
from regent_runtime.state.contract import StateAway
from regent_runtime.transport import PinnedResolver

ANSWER_SECONDS = 2.0
"""For one operation, connecting included."""
DIAL_SECONDS = 0.25
"""Before the next address of the name is tried beside those that have not answered."""
RETRY_SECONDS = 0.5
MOST_WAITING = 4096
"""Requests that wait for their reply; one more is refused."""
LARGEST_REPLY = 16 * 1024 * 1024
_KNOWN_ERRORS = frozenset({"loading", "misconf", "noauth", "noperm", "oom", "readonly", "wrongpass"})


@dataclass(frozen=True)
class Address:
    """Where Redis is, as its URL says: `redis[s]://[USER@]HOST[:PORT][/DATABASE]`."""

    host: str
    port: int
    tls: bool
    user: str
    database: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Raises ValueError for another kind of URL, and for one that bears a password."""
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname or parts.password is not None:
            raise ValueError("state.redis.url: must be redis[s]://[USER@]HOST[:PORT][/DATABASE], without a password")
        database = parts.path.strip("/") or "0"
        if not database.isdecimal():
            raise ValueError("state.redis.url: the path must be the number of a database")
        return cls(
            host=parts.hostname,
            port=parts.port or 6379,
            tls=parts.scheme == "rediss",
            user=unquote(parts.username or ""),
            database=int(database),
        )


class ErrorReply(Exception):  # noqa: N818 - it never leaves this folder
    """Redis answered with an error; `word` is its first word, such as NOSCRIPT."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Link:
    """`password`: read anew at each connection; raises CredentialUnusable. `refused`: no connection may be made at all.

    `failed` is told the reason of each call that ends with StateAway.
    """

    def __init__(
        self,
        address: Address,
        resolver: PinnedResolver,
        password: Callable[[], str] | None = None,
        *,
        refused: StateAway | None = None,
        failed: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._resolver = resolver
        self._password = password
        self._refused = refused
        self._told = failed
        self._now = now
        self._tls = ssl.create_default_context() if address.tls else None
        self._connecting = asyncio.Lock()
        self._replies: _Replies | None = None
        self._away_until = float("-inf")

    async def call(self, *words: bytes | str | int) -> Any:
        """Redis' reply. Raises StateAway; ErrorReply for NOSCRIPT alone: any other error means that it is away."""
        try:
            return await self._in_time(words)
        except StateAway as away:
            self._told(away.reason)
            raise

    def close(self) -> None:
        """For good: what is asked after it, or waits meanwhile, ends with StateAway."""
        self._refused = StateAway("closed")
        if self._replies is not None:
            self._replies.abort("closed")
            self._replies = None

    async def _in_time(self, words: tuple[bytes | str | int, ...]) -> Any:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._asked(words)
        except TimeoutError:
            raise self._failed("timeout") from None
        except ErrorReply as error:
            if error.word == "NOSCRIPT":
                raise
            word = error.word.lower()
            raise self._failed(f"error_{word}" if word in _KNOWN_ERRORS else "error") from None

    async def _asked(self, words: tuple[bytes | str | int, ...]) -> Any:
        replies = self._replies
        if replies is None or replies.lost:
            async with self._connecting:
                replies = self._replies = await self._connected()
        return await replies.ask(words)

    async def _connected(self) -> "_Replies":
        if self._replies is not None and not self._replies.lost:
            return self._replies
        self._check_allowed()
        if self._now() < self._away_until:
            raise StateAway("away")
        try:
            return await self._greeted(await self._dialled())
        except DestinationRefused as refused:
            raise self._failed(refused.reason) from None
        except CredentialUnusable as unusable:
            raise self._failed(unusable.reason) from None
        except ssl.SSLError:
            raise self._failed("tls") from None
        except OSError:
            raise self._failed("unreachable") from None

    async def _dialled(self) -> "_Replies":
        """Connected to the first address that answers; a dead one delays the next by DIAL_SECONDS.

        Raises OSError, DestinationRefused.
        """
        found = await self._resolver.resolve(self._address.host, self._address.port)
        addresses = [(each["family"], socket.SOCK_STREAM, each["proto"], "", _sockaddr(each)) for each in found]
        dialled = await start_connection(addresses, happy_eyeballs_delay=DIAL_SECONDS)
        try:
            _, replies = await asyncio.get_running_loop().create_connection(
                _Replies,
                sock=dialled,
                ssl=self._tls,
                server_hostname=self._address.host if self._tls else None,
            )
        except BaseException:
            dialled.close()
            raise
        return replies

    async def _greeted(self, replies: "_Replies") -> "_Replies":
        try:
            if self._password is not None:
                user = (self._address.user,) if self._address.user else ()
                await replies.ask(("AUTH", *user, self._password()))
            if self._address.database:
                await replies.ask(("SELECT", self._address.database))
            self._check_allowed()  # it may have been closed meanwhile
        except BaseException:
            replies.abort("not_greeted")
            raise
        return replies

    def _check_allowed(self) -> None:
        if self._refused is not None:
            raise StateAway(self._refused.reason)

    def _failed(self, reason: str) -> StateAway:
        """Nobody tries again before RETRY_SECONDS have passed; who waits on the connection is told now."""
        self._away_until = self._now() + RETRY_SECONDS
        if self._replies is not None:
            self._replies.abort(reason)
        return StateAway(reason)


class _Replies(asyncio.Protocol):
    """Replies come in the order of requests (Redis' protocol, RESP2), so a queue says whose each one is."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.Transport
        self._reader = hiredis.Reader(replyError=_error)
        self._waiting: deque[asyncio.Future[Any]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    async def ask(self, words: tuple[bytes | str | int, ...]) -> Any:
        """Raises StateAway, ErrorReply."""
        if self.lost or len(self._waiting) >= MOST_WAITING:
            raise StateAway("busy" if self._waiting else "connection_lost")
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._transport.write(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub forgets the dots
        return await waiting

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._answer(reply)
        except (hiredis.ProtocolError, IndexError):
            self.abort("protocol")
        if self._reader.len() > LARGEST_REPLY:
            self.abort("protocol")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._let_go("connection_lost")

    def abort(self, reason: str) -> None:
        self._transport.abort()
        self._let_go(reason)

    def _answer(self, reply: Any) -> None:
        waiting = self._waiting.popleft()
        if waiting.done():  # its turn has ended
            return
        if isinstance(reply, ErrorReply):
            waiting.set_exception(reply)
        else:
            waiting.set_result(reply)

    def _let_go(self, reason: str) -> None:
        self.lost = True
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(StateAway(reason))


def _sockaddr(found: ResolveResult) -> tuple[str, int] | tuple[str, int, int, int]:
    at = found["host"], found["port"]
    return (*at, 0, 0) if found["family"] == socket.AF_INET6 else at


def _error(text: str) -> Exception:
    return ErrorReply(text.partition(" ")[0])
