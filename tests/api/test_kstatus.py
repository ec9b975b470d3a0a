"""kstatus as the unit tests compute it, beside cli-utils itself, over the same objects.

Of an object that is being deleted cli-utils looks at the deletionTimestamp, and at no condition; none is given here.
"""

from tests.e2e.kube import kstatus as judged
from tests.unit.plan.kstatus import kstatus
from tests.unit.plan.phases import statuses, whole


def test_both_judge_every_phase_of_the_contract_alike() -> None:
    cases = list(statuses())
    ours = [kstatus(status.conditions, observed=status.observed_generation, generation=at) for _, status, at in cases]
    theirs = judged(*(whole(status, at) for _, status, at in cases))
    names = [name for name, _, _ in cases]
    assert dict(zip(names, theirs, strict=True)) == dict(zip(names, ours, strict=True))
    assert set(theirs) == {"InProgress", "Current", "Failed"}
