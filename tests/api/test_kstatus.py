"""kstatus as the unit tests compute it, beside cli-utils itself, over the same objects.

Of an object that is being deleted cli-utils looks at the deletionTimestamp, and at no condition; none is given here.
"""

from collections.abc import Iterator
from typing import Any

from regent_api.agent import AIAgentStatus
from regent_api.status import Condition, ConditionStatus
from regent_operator.plan.usage import policy_status
from tests.e2e.kube import kstatus as judged
from tests.unit.plan.kstatus import kstatus
from tests.unit.plan.samples import INSTALLATION, NOW
from tests.unit.plan.test_status import CONTRACT, status_of
from tests.unit.plan.test_usage import POLICY, figures

Object = dict[str, Any]
GENERATION = 3
PENDING = Condition(
    type="Ready", status=ConditionStatus.UNKNOWN, reason="Pending", message="Wait.", last_transition_time=NOW
)


def statuses() -> Iterator[tuple[str, Any, int]]:
    """(case, status, generation of its object)."""
    for name, (plan, seen, _) in CONTRACT.items():
        yield name, status_of(plan, seen), GENERATION
        yield f"{name}, and edited since", status_of(plan, seen), GENERATION + 1
    yield "not looked at yet", AIAgentStatus(conditions=[PENDING]), 1
    for uses in ([], [figures()], [figures(enforced=0)]):
        yield f"a policy that {len(uses)} agents use", policy_status(POLICY, uses, INSTALLATION, None, NOW), 1


def whole(status: Any, generation: int) -> Object:
    metadata = {"name": "helper", "namespace": "acme", "generation": generation}
    return {"apiVersion": "regent.dev/v1alpha1", "kind": "AIAgent", "metadata": metadata, "status": status.wire()}


def test_both_judge_every_phase_of_the_contract_alike() -> None:
    cases = list(statuses())
    ours = [kstatus(status.conditions, observed=status.observed_generation, generation=at) for _, status, at in cases]
    theirs = judged(*(whole(status, at) for _, status, at in cases))
    names = [f"{number} {name}" for number, (name, _, _) in enumerate(cases)]
    assert dict(zip(names, theirs, strict=True)) == dict(zip(names, ours, strict=True))
    assert set(theirs) == {"InProgress", "Current", "Failed"}
