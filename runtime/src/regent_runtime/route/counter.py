"""How many input tokens a request has, by the tokenizer of the model that it is for: its server is asked.

It is asked with the bytes that the attempt would send, when the provider's turn has come, and through its channel: who
may not see a turn is not asked to count it. It may be away, slow or wrong, and then there is no count and the estimate,
or the bytes, hold as they do without it. One that counted less than it then booked is not believed again.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

import aiohttp
import msgspec

from regent_api.capabilities import TokenCounter
from regent_api.config import AgentConfig, ProviderConfig
from regent_api.route import WireApi
from regent_runtime.addresses import DestinationRefused
from regent_runtime.credentials import CredentialUnusable
from regent_runtime.route.witness import COUNT, Witness
from regent_runtime.transport import Channel, KeptConnectionClosed, ReplyTooLarge
from regent_runtime.wire.format import Outbound

COUNT_SECONDS = 2.0
"""For the whole of a count; the turn goes on without one after that."""
SILENT_SECONDS = 10.0
"""After a count that failed nobody is asked for so long."""
MOST_KEPT = 256
LEAST_REPLY_BYTES = 4096
REPLY_BYTES_PER_BYTE = 16
"""`/tokenize` names every token that it counts, of at least one byte each."""


class Counter:
    """Of one provider, for as long as a config."""

    def __init__(self, channel: Channel, kind: TokenCounter, clock: Callable[[], float] = time.monotonic) -> None:
        self._channel = channel
        self._provider = channel.provider
        self._kind = kind
        self._clock = clock
        self._kept: OrderedDict[bytes, int] = OrderedDict()
        self._asks_again = 0.0
        self._believed = True

    async def count(self, outbound: Outbound, trail: Witness) -> int | None:
        """Input tokens of the request; None: nobody says. Written down before it is asked. Raises Refused (503)."""
        if not self._believed:
            return None
        key = hashlib.sha256(outbound.body).digest()
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known
        if self._clock() < self._asks_again:
            return None
        await trail.attempt(self._provider.name, self._provider.model, COUNT)
        found = await self._asked(outbound)
        if found is None:
            self._asks_again = self._clock() + SILENT_SECONDS
            return None
        self._keep(key, found)
        return found

    def booked(self, counted: int, used: int) -> None:
        """The provider says that a request which it had counted used so many."""
        if used > counted:
            self._believed = False

    async def _asked(self, outbound: Outbound) -> int | None:
        asking = Outbound(path(self._provider, self._kind), outbound.body, outbound.headers)
        most_bytes = LEAST_REPLY_BYTES + REPLY_BYTES_PER_BYTE * len(outbound.body)
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                reply = await self._channel.post(asking, "application/json")
                try:
                    if reply.status != 200 or reply.encoding != "identity":
                        return None
                    told = _DECODER.decode(await reply.whole(most_bytes))
                finally:
                    await reply.close()
        except _NO_COUNT:
            return None
        found = told.input_tokens if self._kind is TokenCounter.INPUT_TOKENS else told.count
        return found if found is not None and found > 0 else None

    def _keep(self, key: bytes, count: int) -> None:
        self._kept[key] = count
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


class _Told(msgspec.Struct):
    input_tokens: int | None = None
    count: int | None = None


_DECODER = msgspec.json.Decoder(_Told)
_NO_COUNT = (
    DestinationRefused,
    CredentialUnusable,
    KeptConnectionClosed,
    ReplyTooLarge,
    aiohttp.ClientError,
    OSError,
    msgspec.MsgspecError,
    UnicodeDecodeError,
    RecursionError,
)
"""TimeoutError is an OSError."""
_PATHS = {
    WireApi.CHAT_COMPLETIONS: "/chat/completions/input_tokens",
    WireApi.RESPONSES: "/responses/input_tokens",
    WireApi.MESSAGES: "/messages/count_tokens",
}


def path(provider: ProviderConfig, kind: TokenCounter) -> str:
    """Behind the provider's base URL. `/tokenize` stands beside its last part, `/v1`."""
    return "/../tokenize" if kind is TokenCounter.TOKENIZE else _PATHS[provider.api]


def counters(config: AgentConfig, channels: Mapping[str, Channel]) -> Mapping[str, Counter]:
    """Of those providers whose servers count, by their names."""
    return {
        provider.name: Counter(channels[provider.name], kind)
        for provider in config.route.providers
        if (kind := provider.capabilities.token_counter) is not None
    }
