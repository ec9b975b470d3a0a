"""Words for Events: what an edit has loosened."""

from typing import Any

from regent_api.config import AgentConfig
from regent_api.model import MeetKind
from regent_api.types import Opinion
from regent_operator.plan.lattice import Field, conjunction, fields
from regent_operator.plan.policy import as_json, value_of

MOST_CHARACTERS = 200


def widened(last: AgentConfig, new: AgentConfig) -> tuple[str, ...]:
    """Policy fields that let more through than before, each as `FIELD: OLD -> NEW`; in the order of the API."""
    both = ((field, value_of(last.policy, field), value_of(new.policy, field)) for field in fields())
    return tuple(
        f"{field.path}: {_short(field, old)} -> {_short(field, now)}"
        for field, old, now in both
        if _wider(field, old, now)
    )


def _wider(field: Field, old: Any, now: Any) -> bool:
    if old == now or old is None:
        return False
    if field.is_list:
        return now is None or _lists_wider(old, now)
    if isinstance(old, Opinion):
        return bool(now is Opinion.ALLOW)
    return bool(now < old if field.kind is MeetKind.FLOOR else now > old)


def _lists_wider(old: list[Any], now: list[Any]) -> bool:
    """A conjunction that lost a list lets more through; the empty one lets nothing."""
    if not old or not now:
        return not old
    return not {clause.key for clause in conjunction(old)} <= {clause.key for clause in conjunction(now)}


def _short(field: Field, value: Any) -> str:
    text = "the default" if value is None else as_json(field, value)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."
