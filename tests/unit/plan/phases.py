"""Statuses of every phase of the contract, for all who judge them: kstatus, and Argo CD's health."""

from collections.abc import Iterator
from typing import Any

from regent_api.agent import AIAgentStatus
from regent_api.status import Condition, ConditionStatus
from regent_operator.plan.usage import policy_status
from tests.unit.plan.samples import INSTALLATION, NOW
from tests.unit.plan.test_status import CONTRACT, status_of
from tests.unit.plan.test_usage import POLICY, figures

Object = dict[str, Any]
GENERATION = 3
PENDING = Condition(
    type="Ready", status=ConditionStatus.UNKNOWN, reason="Pending", message="Wait.", last_transition_time=NOW
)


def statuses() -> Iterator[tuple[str, Any, int]]:
    """(case, status, generation of its object); each case once."""
    for name, (plan, seen, _) in CONTRACT.items():
        yield name, status_of(plan, seen), GENERATION
        yield f"{name}, and edited since", status_of(plan, seen), GENERATION + 1
    yield "not looked at yet", AIAgentStatus(conditions=[PENDING]), 1
    policies = {"that nobody uses": [], "in force": [figures()], "not yet in force": [figures(enforced=0)]}
    for name, uses in policies.items():
        yield f"a policy {name}", policy_status(POLICY, uses, INSTALLATION, None, NOW), 1


def whole(status: Any, generation: int, kind: str = "AIAgent") -> Object:
    metadata = {"name": "helper", "namespace": "acme", "generation": generation}
    return {"apiVersion": "regent.dev/v1alpha1", "kind": kind, "metadata": metadata, "status": status.wire()}
