"""CEL over a record: `audit.alerts[].when`."""

from typing import Any

import msgspec

from regent_api.audit.record import AttemptPart, CostPart, DecisionPart, Kind, Record, TokensPart
from regent_api.expression import Condition, InvalidExpression

__all__ = ["Expression", "InvalidExpression", "seen"]


class Expression:
    """A condition on records: it sees every field, an absent one as its empty value. Raises InvalidExpression."""

    def __init__(self, text: str) -> None:
        self._condition = Condition(text, "record", seen(_SAMPLE), "record.outcome == 'refused'")

    def holds(self, record: Record) -> bool:
        """Raises InvalidExpression where it cannot be evaluated on this record, such as for a count that is absent."""
        return self._condition.holds(seen(record))


def seen(record: Record) -> dict[str, Any]:
    """A record as an expression sees it: every field, an absent one as its empty value."""
    fields = msgspec.structs.asdict(record)
    fields["callerKind"] = fields.pop("caller_kind")
    fields["kind"] = str(record.kind)
    for name in ("decisions", "attempts"):
        fields[name] = [msgspec.structs.asdict(each) for each in fields[name]]
    for attempt in fields["attempts"]:
        attempt["cost"] = _money(attempt["cost"])
    fields["cost"] = _money(record.cost)
    fields["tokens"] = msgspec.structs.asdict(record.tokens or TokensPart(input=0, output=0))
    fields["content"] = record.content is not None
    return fields


def _money(cost: CostPart | None) -> dict[str, Any]:
    """Numbers to compare with, not to add up; 0.0 where an amount is absent."""
    part = cost or CostPart()
    return {
        "usd": float(part.usd or 0),
        "atMost": float(part.at_most or 0),
        "unknown": part.unknown,
        "price": part.price,
    }


_SAMPLE = Record(
    kind=Kind.OUTCOME,
    id="0",
    time="2026-01-01T00:00:00.000000Z",
    agent="namespace/name",
    decisions=[DecisionPart(stage="input", action="Deny", policies=["namespace/name"])],
    attempts=[AttemptPart(provider="provider")],
    flags=["injection_attempt"],
    tokens=TokensPart(input=1, output=1),
    cost=CostPart(usd="1"),
)
