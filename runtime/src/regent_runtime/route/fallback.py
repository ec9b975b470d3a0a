"""One answer out of several providers: they are asked one after the other until the guards release a first word of one.

That word is the commit point. What came before it, from a provider that failed, is discarded with the guards' window
that held it, and only costs time; after it another provider's words would not fit, so a failure is the caller's to see
(Interrupted), and never looks like an end.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Protocol

from regent_api.attempting import FailureClass
from regent_api.config import ProviderConfig
from regent_runtime.config import Snapshot
from regent_runtime.cost.bill import Bill
from regent_runtime.cost.sending import Sending, written
from regent_runtime.guard.gate import Gate, Screen
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
        async with AsyncExitStack() as held:
            sending = await _admitted(held, snapshot, tries, tried, request, record, trail)
            if sending is None:
                continue
            await trail.attempt(tried.provider.name, tried.provider.model)
            attempted = record.attempt(sending.bill)
            passage = _Passage(snapshot, tries, tried, request, record, sending.bill, screen())
            try:
                async with aclosing(_sent(snapshot, tried, sending, request)) as answered:
                    async for chunk in answered:
                        for released in await passage.let(chunk):
                            yield released
                passage.end()
            except ProviderError as error:
                passage.failed()
                tries.failed(tried, attempted.failed(error))
                if passage.committed:
                    raise Interrupted(error) from None
            else:
                attempted.outcome = ANSWERED
                tries.answered(tried)
                return
        record.usage = None
    raise tries.refusal if tries.refusal and not tries.errors else refused(tries.errors)


async def _admitted(
    held: AsyncExitStack,
    snapshot: Snapshot,
    tries: Tries,
    tried: Try,
    request: ChatRequest,
    record: TurnRecord,
    trail: Witness,
) -> Sending | None:
    """What may be sent while `held` is open: the breaker lets it, it fits as far as its server has counted it, it is
    paid, and the provider's limits have room. None: nothing may, and the tries know. Raises Refused (429, 503).
    """
    provider = tried.provider
    held.push(tried.permit)
    if await _outgrows(snapshot, provider, request, record, trail):
        tries.outgrown()
        return None
    if not snapshot.budget.bounds(provider):
        paid: Sending | Refused = written(snapshot.config, request, provider)
    else:
        paid = await held.enter_async_context(snapshot.budget.within(request, provider, record, trail))
    if isinstance(paid, Refused):
        tries.unpaid(paid)
        return None
    if provider.limits is not None:
        room = snapshot.provider_limits.room(request, provider, provider.limits, paid, record)
        wait = await held.enter_async_context(room)
        if wait:
            tries.limited(tried, wait)
            return None
    if snapshot.budget_trials.any:
        await held.enter_async_context(snapshot.budget_trials.watching(paid, record))
    return paid


async def _outgrows(
    snapshot: Snapshot, provider: ProviderConfig, request: ChatRequest, record: TurnRecord, trail: Witness
) -> bool:
    """Whether the prompt is too long for a provider that was chosen although the estimate was near its window."""
    config, counter = snapshot.config, snapshot.counters.get(provider.name)
    if counter is None:
        return False
    fits = await windows.room(config, counter, request, provider, record, trail)
    return fits is not None and weight.of_prompt(request, config) > fits


class _Passage:
    """What each chunk of one attempt's answer passes: the stopwatch, the bill, the guards, and the commit point, after
    which the turn stays with its provider.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        tries: Tries,
        tried: Try,
        request: ChatRequest,
        record: TurnRecord,
        bill: Bill,
        gate: Gate,
    ) -> None:
        self.committed = False
        self._asks_around_filters = FailureClass.CONTENT_FILTER in snapshot.config.route.fallback.errors
        self._tries = tries
        self._model = tried.provider.model
        self._record = record
        self._bill = bill
        self._gate = gate
        self._watch = snapshot.standings[tried.provider.name].latency.begun(stream=request.stream)
        self._held: list[Chunk] = []
        self._size = 0

    async def let(self, chunk: Chunk) -> Sequence[Chunk]:
        """What goes on now: before the commit point nothing that bears nothing for the caller, but for signs of life.

        Raises Withheld, ProviderError.
        """
        if not self._watch.spoken:
            self._watch.saw(chunk)
        self._bill.saw(chunk)
        released = None if chunk.working and not chunk else await self._gate.let(chunk)
        if released is None:
            return ()
        return (released,) if self.committed or not released else self._committing(released)

    def end(self) -> None:
        """The whole answer has come."""
        self._gate.end()

    def failed(self) -> None:
        self._watch.failed()

    def _committing(self, chunk: Chunk) -> Sequence[Chunk]:
        self._size += chunk.size
        if not _says_something(chunk) and len(self._held) < MOST_HELD and self._size <= MOST_HELD_BYTES:
            self._held.append(chunk)
            return ()
        if chunk.finish_reason == FILTERED and self._asks_around_filters and self._tries.may_go_on:
            raise ProviderError(Failure.CONTENT_FILTER)
        self.committed = True
        self._record.model = self._model
        held, self._held = self._held, []
        return (*held, chunk)


def _says_something(chunk: Chunk) -> bool:
    return bool(chunk.content or chunk.refusal or chunk.finish_reason)


def _sent(snapshot: Snapshot, tried: Try, sending: Sending, request: ChatRequest) -> AsyncGenerator[Chunk]:
    return attempt(
        snapshot.channels[tried.provider.name],
        format_for(request, tried.provider),
        sending.outbound,
        key=tried.key,
        stream=request.stream,
        output_cap=sending.output_cap,
        offered=request.offered(),
        timeouts=snapshot.config.route.timeouts,
    )
