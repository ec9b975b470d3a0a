"""Words for Events: what an edit has loosened."""

from typing import Any

from regent_api.config import AgentConfig
from regent_api.model import MeetKind
from regent_api.types import Opinion
from regent_operator.plan.intersection import GRANTS
from regent_operator.plan.lattice import Field, clause, fields
from regent_operator.plan.policy import as_json, value_of
from regent_operator.plan.ranges import within_public

MOST_CHARACTERS = 200


def widened(last: AgentConfig, new: AgentConfig) -> tuple[str, ...]:
    """Policy fields that let more through than before, each as `FIELD: OLD -> NEW`; in the order of the API."""
    namespace = new.agent.namespace
    both = ((field, value_of(last.policy, field), value_of(new.policy, field)) for field in fields())
    return tuple(
        f"{field.path}: {_short(field, old)} -> {_short(field, now)}"
        for field, old, now in both
        if _wider(field, old, now, namespace)
    )


def _wider(field: Field, old: Any, now: Any, namespace: str) -> bool:
    """Where nobody had a say, the route's own list held, which an opinion only cuts; for addresses, public ones did."""
    if old == now or field.kind is MeetKind.FIRST:
        return False
    if old is None:
        return field.path == "egress.cidrs" and not within_public(now)
    if now is None:
        return True
    if field.is_list:
        return not _within(field, now, old, namespace)
    if isinstance(old, list):
        return now != ["Deny"] and not all(entry in now for entry in old)
    if isinstance(old, Opinion):
        return bool(now is Opinion.ALLOW)
    return bool(now > old if field.kind is MeetKind.CAP else now < old)


def _within(field: Field, now: list[Any], old: list[Any], namespace: str) -> bool:
    """Whether every list that held still holds, itself or by a narrower one. An empty conjunction lets nothing."""
    if not now or not old:
        return not now
    grant = GRANTS.get(field.path)
    return all(
        any(clause(one) == clause(held) or (grant is not None and grant.within(one, held, namespace)) for one in now)
        for held in old
    )


def _short(field: Field, value: Any) -> str:
    text = "the default" if value is None else as_json(field, value)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."
