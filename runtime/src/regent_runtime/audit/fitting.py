"""A record that would be larger than one may be is cut: no reader would take it, nor what stands behind it."""

from msgspec.structs import replace

from regent_api.audit.record import LARGEST_RECORD, DecisionPart, Record, encode

LINK_BYTES = 128
"""At the most, of what the chain adds to a record."""
MOST_BYTES = LARGEST_RECORD - LINK_BYTES
CUT = DecisionPart(stage="audit", action="Cut", reason="record_too_large")
"""The first decision of a record that was cut."""


def fitted(record: Record) -> Record:
    """Where it is too large: one policy of each decision at the most, and of decisions and attempts the last ones."""
    decisions = [replace(each, policies=each.policies[:1]) for each in record.decisions]
    attempts = record.attempts
    while len(encode(record)) > MOST_BYTES and (len(record.decisions) > 1 or attempts):
        record = replace(record, decisions=[CUT, *decisions], attempts=attempts)
        decisions, attempts = decisions[(len(decisions) + 1) // 2 :], attempts[(len(attempts) + 1) // 2 :]
    return record
