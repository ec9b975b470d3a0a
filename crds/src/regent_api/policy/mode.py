"""Whether a policy is in force, or only tells what it would do."""

from enum import StrEnum

MOST_SHADOWS = 8
"""Policies in mode Audit that an agent tries: each is one more decision of every turn."""


class PolicyMode(StrEnum):
    """Enforce takes part in the meet. Audit never does: it tells what it would have done."""

    ENFORCE = "Enforce"
    AUDIT = "Audit"
