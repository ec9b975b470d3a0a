"""Log lines as JSON on standard output, one a turn and one for each change of the process.

There is nothing to redact, because content, callers and keys never enter: a line is made from a TurnRecord or from
words of this program.
"""

import logging
import sys
import time
from typing import Any

import msgspec

from regent_api.price import words
from regent_runtime.cost.bill import Cost
from regent_runtime.record import TurnRecord

_ENCODER = msgspec.json.Encoder()


def write(event: str, /, **fields: Any) -> None:
    """One line. Values are words and figures of this program's own."""
    line = _ENCODER.encode({"time": round(time.time(), 3), "event": event, **fields})
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def turn(record: TurnRecord) -> None:
    usage = record.usage
    cost = _cost(record.cost())
    write(
        "turn",
        turn=record.id,
        agent=record.agent,
        outcome=record.outcome,
        code=record.code,
        stream=record.stream,
        caller=record.caller_kind,
        sensitivity=record.sensitivity,
        rule=record.rule,
        provider=record.provider,
        model=record.model,
        attempts=[
            {
                "provider": attempt.provider,
                "outcome": attempt.outcome,
                "detail": attempt.detail,
                **_cost(attempt.bill.cost()),
                "price": attempt.bill.source,
            }
            for attempt in record.attempts
        ],
        decisions=[decision.wire() for decision in record.decisions],
        cache=record.cache,
        saved=words(record.reused.saved) if record.reused and record.reused.saved is not None else None,
        inputEstimate=record.input_estimate,
        inputTokens=usage.prompt_tokens if usage else None,
        outputTokens=usage.completion_tokens if usage else None,
        **cost,
        ms=round(record.seconds * 1000, 1),
        config=record.config,
    )


def action(record: TurnRecord) -> None:
    """An approver's verdict, or a deletion."""
    write(
        "action",
        action=record.action,
        id=record.id,
        agent=record.agent,
        outcome=record.outcome,
        code=record.code,
        caller=record.caller_kind,
        sensitivity=record.sensitivity,
        config=record.config,
    )


def _cost(cost: Cost) -> dict[str, str | None]:
    """USD as decimal strings: `cost` is exact, or null with the reason and, where there is a price, a bound."""
    if cost.usd is not None:
        return {"cost": words(cost.usd)}
    at_most = words(cost.at_most) if cost.at_most is not None else None
    return {"cost": None, "costUnknown": cost.why, "costAtMost": at_most}


class JsonLines(logging.Handler):
    """Warnings of the libraries: who and which class, not the message, which may quote a request."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        write(
            "library", logger=record.name, level=record.levelname, exception=kind, at=f"{record.module}:{record.lineno}"
        )


def capture_libraries() -> None:
    """Send the standard library's logging through JsonLines."""
    logging.basicConfig(level=logging.WARNING, handlers=[JsonLines()], force=True)


def place(error: BaseException) -> str:
    """Where an exception was raised, FILE:LINE; its text may quote a request and stays out."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f"{at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno}" if at is not None else ""
