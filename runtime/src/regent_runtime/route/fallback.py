"""One answer out of several providers: they are asked one after the other until the guards release a first word of one.

That word is the commit point. What came before it, from a provider that failed, is discarded with the guards' window
that held it, and only costs time; after it another provider's words would not fit, so a failure is the caller's to see
(Interrupted), and never looks like an end.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

import msgspec

from regent_api.attempting import FailureClass
from regent_api.config import ProviderConfig
from regent_runtime.config import Snapshot
from regent_runtime.cost.bill import billed
from regent_runtime.cost.sending import Sending
from regent_runtime.prompt import weight
from regent_runtime.record import ANSWERED, TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.route import windows
from regent_runtime.route.attempt import attempt
from regent_runtime.route.errors import Interrupted, ProviderError, refused
from regent_runtime.route.failure import Failure
from regent_runtime.route.tries import Tries, Try
from regent_runtime.route.witness import Witness
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.formats import format_for
from regent_runtime.wire.request import ChatRequest

Screen = Callable[[AsyncIterator[Chunk]], AsyncGenerator[Chunk]]
"""The guards of output, begun anew for each attempt."""


class Ask(Protocol):
    def __call__(
        self,
        snapshot: Snapshot,
        candidates: Sequence[ProviderConfig],
        request: ChatRequest,
        record: TurnRecord,
        trail: Witness,
        screen: Screen,
    ) -> AsyncGenerator[Chunk]:
        """As `call`."""


MOST_HELD = 64
MOST_HELD_BYTES = 262_144
"""Chunks that bear nothing for the caller, before one that does, and the events that they came in: who sends more than
either has been heard long enough to be held to it.
"""
FILTERED = "content_filter"


async def call(
    snapshot: Snapshot,
    candidates: Sequence[ProviderConfig],
    request: ChatRequest,
    record: TurnRecord,
    trail: Witness,
    screen: Screen,
) -> AsyncGenerator[Chunk]:
    """The screened answer of the first candidate that gives one.

    Raises Refused before the commit point, Interrupted after it, and what `screen` and `trail` raise. Each request that
    is sent is paid by the budgets, and stands in the audit log and in `record.attempts`, before it is sent.
    """
    tries = Tries(snapshot.config.route, candidates, snapshot.standings, ends=record.ends, dead=record.dead_keys)
    while (tried := await tries.next()) is not None:
        async with _admitted(snapshot, tries, tried, request, record, trail) as sending:
            if sending is None:
                continue
            await trail.attempt(tried.provider.name, tried.provider.model)
            attempted = record.attempt(sending.bill)
            commit = _Commit(snapshot, tries, tried, record)
            try:
                async with (
                    aclosing(_sent(snapshot, tried, sending, request)) as answered,
                    aclosing(screen(answered)) as clean,
                    aclosing(commit.hold(clean)) as chunks,
                ):
                    async for chunk in chunks:
                        yield chunk
            except ProviderError as error:
                tries.failed(tried, attempted.failed(error))
                if commit.made:
                    raise Interrupted(error) from None
            else:
                attempted.outcome = ANSWERED
                tries.answered(tried)
                return
        record.usage = None
    raise tries.refusal or refused(tries.errors)


@asynccontextmanager
async def _admitted(
    snapshot: Snapshot, tries: Tries, tried: Try, request: ChatRequest, record: TurnRecord, trail: Witness
) -> AsyncIterator[Sending | None]:
    """What may be sent: the breaker lets it, it fits as far as its server has counted it, it is paid, and the
    provider's limits have room. None: nothing may, and the tries know. Raises Refused (429, 503).
    """
    with tried.permit:
        if await _outgrows(snapshot, tried.provider, request, record, trail):
            tries.outgrown()
            yield None
            return
        async with snapshot.budget.within(request, tried.provider, record, trail) as paid:
            if isinstance(paid, Refused):
                tries.unpaid(paid)
                yield None
                return
            async with snapshot.provider_limits.room(request, tried.provider, paid, record) as wait:
                if wait:
                    tries.limited(tried, wait)
                    yield None
                    return
                async with snapshot.budget_trials.watching(paid, record):
                    yield paid


async def _outgrows(
    snapshot: Snapshot, provider: ProviderConfig, request: ChatRequest, record: TurnRecord, trail: Witness
) -> bool:
    """Whether the prompt is too long for a provider that was chosen although the estimate was near its window."""
    config, counter = snapshot.config, snapshot.counters.get(provider.name)
    if counter is None:
        return False
    fits = await windows.room(config, counter, request, provider, record, trail)
    return fits is not None and weight.of_prompt(request, config) > fits


class _Commit:
    """The point after which a turn stays with its provider."""

    def __init__(self, snapshot: Snapshot, tries: Tries, tried: Try, record: TurnRecord) -> None:
        self.made = False
        self._asks_around_filters = FailureClass.CONTENT_FILTER in snapshot.config.route.fallback.errors
        self._tries = tries
        self._model = tried.provider.model
        self._record = record

    async def hold(self, chunks: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk]:
        """The chunks, none before one that bears something for the caller; signs of life pass. Raises ProviderError."""
        held: list[Chunk] = []
        size = 0
        async for chunk in chunks:
            if not self.made and chunk:
                size += chunk.size
                if not _says_something(chunk) and len(held) < MOST_HELD and size <= MOST_HELD_BYTES:
                    held.append(chunk)
                    continue
                self._make(chunk)
                for each in held:
                    yield each
                held = []
            yield chunk

    def _make(self, chunk: Chunk) -> None:
        if chunk.finish_reason == FILTERED and self._asks_around_filters and self._tries.may_go_on:
            raise ProviderError(Failure.CONTENT_FILTER)
        self.made = True
        self._record.model = self._model


def _says_something(chunk: Chunk) -> bool:
    return bool(msgspec.structs.replace(chunk, usage=None))


def _sent(snapshot: Snapshot, tried: Try, sending: Sending, request: ChatRequest) -> AsyncGenerator[Chunk]:
    chunks = attempt(
        snapshot.channels[tried.provider.name],
        format_for(request, tried.provider),
        sending.outbound,
        key=tried.key,
        stream=request.stream,
        output_cap=sending.output_cap,
        offered=request.offered(),
        timeouts=snapshot.config.route.timeouts,
    )
    latency = snapshot.standings[tried.provider.name].latency
    return billed(latency.timed(chunks, stream=request.stream), sending.bill)
