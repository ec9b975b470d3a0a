"""Ordered fallback: the candidates one after the other until one gives a first chunk, within `fallback` of the route.

That chunk is the commit point. Before it a failure costs the caller time only; after it another provider's words
would not fit, so the failure is the caller's to see (Interrupted).
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from itertools import islice

from regent_api.config import ProviderConfig
from regent_runtime.audit.trail import Trail
from regent_runtime.config import Snapshot
from regent_runtime.cost.bill import Bill, billed
from regent_runtime.record import ANSWERED, TurnRecord
from regent_runtime.route.attempt import attempt
from regent_runtime.route.errors import Failure, Interrupted, ProviderError, refused
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.formats import format_of
from regent_runtime.wire.parameters import output_cap
from regent_runtime.wire.request import ChatRequest


async def call(
    snapshot: Snapshot, candidates: Sequence[ProviderConfig], request: ChatRequest, record: TurnRecord, trail: Trail
) -> AsyncGenerator[Chunk]:
    """The answer of the first candidate that begins one. Raises Refused before the first chunk, Interrupted after.

    Each request that is sent stands in the audit log and in `record.attempts`, before it is sent.
    """
    errors: list[ProviderError] = []
    route = snapshot.config.route
    for provider in islice(_tries(candidates, errors), route.fallback.max_attempts):
        await trail.attempt(provider.name, provider.model)
        wire, most_output = format_of(provider), output_cap(request, snapshot.config, provider)
        outbound = wire.outbound(request, snapshot.config, provider)
        attempted = record.attempt(Bill(provider, outbound.body, most_output))
        chunks = attempt(
            snapshot.channels[provider.name],
            wire,
            outbound,
            stream=request.stream,
            output_cap=most_output,
            timeouts=route.timeouts,
        )
        async with aclosing(billed(chunks, attempted.bill)) as chunks:
            try:
                first = await anext(chunks)
            except ProviderError as error:
                errors.append(attempted.failed(error))
                if error.failure.kind in route.fallback.on:
                    continue
                break
            record.model = provider.model
            yield first
            try:
                async for chunk in chunks:
                    yield chunk
            except ProviderError as error:
                raise Interrupted(attempted.failed(error)) from None
            attempted.outcome = ANSWERED
            return
    raise refused(errors)


def _tries(candidates: Sequence[ProviderConfig], errors: Sequence[ProviderError]) -> Iterator[ProviderConfig]:
    """Each candidate once, and once more where a kept connection was closed just as the request went out.

    Any other request that was cut may have been worked on, and paid for, already.
    """
    for provider in candidates:
        yield provider
        if errors and errors[-1].failure is Failure.UNANSWERED:
            yield provider
