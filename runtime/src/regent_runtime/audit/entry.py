"""Records, made from what a turn knows. Nothing of a caller's text enters but digests under the subject's key."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from regent_api.audit.record import AttemptPart, CachePart, CostPart, DecisionPart, Kind, Record, TokensPart
from regent_api.price import words
from regent_runtime.audit.disk import stamp
from regent_runtime.cost.bill import Cost
from regent_runtime.decision import Decision, Stage
from regent_runtime.record import ANSWERED, DONE, TurnRecord

MOST_DECISIONS = 64
MOST_ATTEMPTS = 32
MOST_POLICIES = 16
LONGEST_WORD = 256
"""Characters of any word of a record."""
INJECTION_ATTEMPT = "injection_attempt"
LEAK_BLOCKED = "leak_blocked"
PERSONAL_DATA = "personal_data"
UNAUTHORIZED = "unauthorized"
LOCAL_ONLY = "local_only"
ANONYMIZED = "anonymized"
_CUTS = {"Deny", "Redact", "Strip"}
_GOOD = {ANSWERED, DONE}


@dataclass(frozen=True)
class Writer:
    """Who writes: the agent (NAMESPACE/NAME) and the image that it runs, or the version of this program."""

    agent: str
    image: str

    def started(self, recovered: int) -> Record:
        return self.record(Kind.STARTED, recovered=recovered)

    def stopped(self) -> Record:
        return self.record(Kind.STOPPED)

    def lost(self, counts: Mapping[str, int]) -> Record:
        return self.record(Kind.LOST, counts=dict(counts))

    def refusals(self, counts: Mapping[str, int]) -> Record:
        """Refused turns that have no record of their own, by code."""
        return self.record(Kind.REFUSALS, decision="Deny", flags=_unauthorized(counts), counts=dict(counts))

    def of_turn(self, kind: Kind, turn: TurnRecord, **more: Any) -> Record:
        return self.record(
            kind,
            config=turn.config,
            policy=turn.policy,
            route=turn.route,
            rule=turn.rule,
            conversation=turn.conversation[:LONGEST_WORD],
            turn=turn.id,
            action=turn.action,
            approval=turn.approval,
            confidence="" if turn.confidence is None else f"{turn.confidence:.3f}",
            caller_kind=turn.caller_kind,
            sensitivity=turn.sensitivity,
            **more,
        )

    def record(self, kind: Kind, **fields: Any) -> Record:
        return Record(
            kind=kind,
            id=os.urandom(8).hex(),
            time=stamp(datetime.now(UTC)),
            agent=self.agent,
            image=self.image,
            **fields,
        )


def decisions(made: Iterable[Decision]) -> list[DecisionPart]:
    """The last MOST_DECISIONS: what ended a turn is among them."""
    return [
        DecisionPart(
            stage=str(each.stage),
            action=each.action[:LONGEST_WORD],
            field=each.field[:LONGEST_WORD],
            policies=[name[:LONGEST_WORD] for name in each.policies[:MOST_POLICIES]],
            reason=each.reason[:LONGEST_WORD],
            shadow=each.shadow[:LONGEST_WORD],
        )
        for each in list(made)[-MOST_DECISIONS:]
    ]


def decided(turn: TurnRecord) -> dict[str, Any]:
    """The fields of a record that tell what the stages have decided. Most turns decide all before their intent."""
    known = turn.told
    if known is None or known[0] != (len(turn.decisions), turn.code):
        fields: dict[str, Any] = {"decisions": decisions(turn.decisions), "flags": flags(turn)}
        known = turn.told = (len(turn.decisions), turn.code), fields
    return known[1]


def ending(turn: TurnRecord) -> dict[str, Any]:
    """The fields of a record that tell how a turn ended."""
    usage = turn.usage
    return {
        "decision": "Allow" if turn.outcome in _GOOD else "Deny",
        "outcome": turn.outcome,
        "code": turn.code,
        **decided(turn),
        "attempts": [
            AttemptPart(
                provider=each.provider,
                outcome=each.outcome,
                detail=each.detail[:LONGEST_WORD],
                cost=_cost(each.bill.cost(), each.bill.source),
            )
            for each in turn.attempts[-MOST_ATTEMPTS:]
        ],
        "tokens": TokensPart(input=usage.prompt_tokens, output=usage.completion_tokens) if usage else None,
        "cost": _cost(turn.cost()) if turn.attempts or turn.reused else None,
        "cache": _cache(turn),
    }


def _cache(turn: TurnRecord) -> CachePart | None:
    kept = turn.reused
    if kept is None:
        return None
    saved = "" if kept.saved is None else words(kept.saved)
    near = "" if kept.similarity is None else f"{kept.similarity:.3f}"
    return CachePart(result=turn.cache, provider=kept.provider, model=kept.model, saved=saved, similarity=near)


def _cost(cost: Cost, source: str = "") -> CostPart:
    usd = words(cost.usd) if cost.usd is not None else ""
    at_most = words(cost.at_most) if cost.at_most is not None else ""
    return CostPart(usd=usd, unknown=cost.why, at_most=at_most, price=source)


def flags(turn: TurnRecord) -> list[str]:
    """Compliance flags of what the stages decided, sorted; what only a shadow would have done is none."""
    found = {UNAUTHORIZED} if turn.code in UNAUTHORIZED_CODES else set[str]()
    for each in turn.decisions:
        if not each.shadow:
            found |= _flags_of(each)
    return sorted(found)


def _flags_of(made: Decision) -> set[str]:
    found = set()
    if made.field.startswith("guardrails.input.injection"):
        found.add(INJECTION_ATTEMPT)
    if made.stage is Stage.OUTPUT and made.action in _CUTS:
        found.add(LEAK_BLOCKED)
    if "personalData" in made.field:
        found.add(PERSONAL_DATA)
    if made.action == "LocalOnly":
        found.add(LOCAL_ONLY)
    if made.stage is Stage.ANONYMIZE:
        found.add(ANONYMIZED)
    return found


def _unauthorized(codes: Iterable[str]) -> list[str]:
    return [UNAUTHORIZED] if not UNAUTHORIZED_CODES.isdisjoint(codes) else []


UNAUTHORIZED_CODES = frozenset(
    {"token_missing", "token_invalid", "caller_not_allowed", "not_an_approver", "own_approval"}
)
