"""Old exchanges told in short by a model: by a provider that the turn itself may go to, and by no other.

Each request for it is an attempt of the turn: within its time, reserved and settled in the budgets, in the audit log
before it is sent. A history that is longer than a prompt may be is told stretch by stretch, each with what was told
before it, so no request is longer than a prompt of the turn itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from regent_api.config import ProviderConfig
from regent_runtime.audit.trail import Trail
from regent_runtime.config import Snapshot
from regent_runtime.guard.gate import Open
from regent_runtime.limits.estimate import TOKENS_PER_MESSAGE, estimate
from regent_runtime.prompt import summary
from regent_runtime.prompt.exchanges import Exchange
from regent_runtime.prompt.kept import key_of
from regent_runtime.record import ANSWERED, TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.route import fallback
from regent_runtime.route.errors import Interrupted, refused
from regent_runtime.wire.request import ChatRequest

MOST_REQUESTS = 8
"""For summaries, in one turn."""
LEAST_TOLD = 64
"""Tokens of a conversation in a request for a summary; with less room none is asked for."""
FOR_SUMMARY = "summary"
"""The detail of an attempt that was made for one."""
_AROUND = estimate(summary.INSTRUCTIONS) + 3 * TOKENS_PER_MESSAGE + 16


class Unsummarised(Exception):  # noqa: N818 - an outcome
    """There is no summary. `refused`: what a request for it was refused with; None: there was none, or no text came."""

    def __init__(self, refused: Refused | None = None) -> None:
        super().__init__("no summary")
        self.refused = refused


@dataclass(frozen=True)
class Surroundings:
    """Of one turn. `providers`: whom it may go to, in order."""

    snapshot: Snapshot
    providers: Sequence[ProviderConfig]
    record: TurnRecord
    trail: Trail


@dataclass(frozen=True)
class _Part:
    key: bytes
    told: str


async def summarise(
    around: Surroundings, history: Sequence[Exchange], ends: Sequence[int], request: ChatRequest, *, cap: int, most: int
) -> str:
    """The summary of all exchanges before the last of `ends`. Raises Unsummarised, and Withheld by a guard.

    `cap`: tokens of a summary; `most`: of a request for one.
    """
    parts = _parts(around, history, ends, most - _AROUND - cap)
    kept = around.snapshot.summaries
    known = max((at for at, part in enumerate(parts) if kept.get(part.key) is not None), default=-1)
    if len(parts) - known - 1 > MOST_REQUESTS:
        raise Unsummarised
    text = (kept.get(parts[known].key) or "") if known >= 0 else ""
    for part in parts[known + 1 :]:
        text = await _asked(around, summary.asking(text, part.told, cap, request), cap)
        kept.put(part.key, text)
    return text


def _parts(around: Surroundings, history: Sequence[Exchange], ends: Sequence[int], room: int) -> list[_Part]:
    """What is asked for, one request after the other. Raises Unsummarised where that is too much."""
    if room < LEAST_TOLD:
        raise Unsummarised
    record, parts = around.record, list[_Part]()
    providers = ",".join(provider.name for provider in around.providers)
    key = key_of((record.caller_kind, record.subject, record.conversation, record.sensitivity, providers))
    for told in _told(history, ends, room):
        key = key_of((key.hex(), str(room), told))
        parts.append(_Part(key, told))
    return parts


def _told(history: Sequence[Exchange], ends: Sequence[int], room: int) -> Iterator[str]:
    for begin, end in zip([0, *ends], ends, strict=False):
        yield from summary.sliced(summary.transcript(history[begin:end]), room)


async def _asked(around: Surroundings, asking: ChatRequest, cap: int) -> str:
    """A summary that the guards of input let pass."""
    record, before = around.record, len(around.record.attempts)
    calling = fallback.call(around.snapshot, around.providers, asking, record, around.trail, Open)
    try:
        async with aclosing(calling) as chunks:
            text = summary.taken([chunk async for chunk in chunks], cap)
    except Refused as error:
        raise Unsummarised(error) from None
    except Interrupted as error:
        raise Unsummarised(refused([error.error])) from None
    finally:
        record.usage, record.model = None, ""
        for attempt in record.attempts[before:]:
            attempt.detail = FOR_SUMMARY if attempt.outcome == ANSWERED else attempt.detail
    if not text:
        raise Unsummarised
    confidence = record.confidence
    message = {"role": "user", "content": text}
    screened = await around.snapshot.input_guard.screen(replace(asking, messages=[message]), record)
    record.confidence = max((each for each in (confidence, record.confidence) if each is not None), default=None)
    return str(screened.messages[0]["content"])
