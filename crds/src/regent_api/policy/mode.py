"""Whether a policy is in force, or only tells what it would do."""

from enum import StrEnum


class PolicyMode(StrEnum):
    """Enforce takes part in the meet. Audit never does: it tells what it would have done."""

    ENFORCE = "Enforce"
    AUDIT = "Audit"
