"""The first stage of a turn: who calls, and whether the policies let that caller in."""

from regent_runtime.callers.caller import Caller
from regent_runtime.callers.identify import FIELDS, Callers
from regent_runtime.decision import Stage, decided
from regent_runtime.record import TurnRecord


def enter(callers: Callers, authorization: str | None, record: TurnRecord) -> Caller:
    """The caller of a turn, let in by a field that the record then names. Raises Refused (401, 403)."""
    caller = callers.identify(authorization)
    record.caller_kind, record.subject = caller.kind, caller.identity
    callers.admit(caller)
    record.decisions.append(decided(record.sources, Stage.CALLERS, "Allow", FIELDS[caller.kind], caller.kind))
    return caller
