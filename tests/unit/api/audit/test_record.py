import json

import pytest

from regent_api.audit.record import DecisionPart, Kind, MalformedRecord, TokensPart, decode, encode
from tests.fakes.audit import record


def test_the_encoding_is_sorted_json_without_what_is_absent() -> None:
    found = json.loads(encode(record()))
    assert list(found) == sorted(found)
    assert set(found) == {"agent", "id", "kind", "time", "turn"}


def test_a_full_record_reads_as_it_was_written() -> None:
    full = record(
        Kind.OUTCOME,
        decisions=[DecisionPart(stage="injection", action="Audit", field="guardrails", policies=["a/b"], shadow="a/c")],
        tokens=TokensPart(input=3, output=4),
        counts={"token_invalid": 2},
        flags=["leak_blocked"],
        caller="é\u2028",
    )
    assert decode(encode(full)) == full


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda payload: b" " + payload,
        lambda payload: payload.replace(b'"kind"', b'"kind" '),
        lambda payload: payload.replace(b'"turn":"t"', b'"turn":"t","turn":"t"'),
        lambda payload: payload.replace(b'"turn":"t"', b'"turn":"\\u0074"'),
        lambda payload: payload.replace(b'"turn":"t"', b'"turn":"t","unknown":1'),
        lambda payload: payload.replace(b'"turn":"t"', b'"turn":"t","version":2'),
        lambda payload: payload.replace(b'"turn":"t"', b'"sequence":-1,"turn":"t"'),
        lambda payload: payload.replace(b"intent", b"dream"),
        lambda payload: payload[:-1],
        lambda payload: b"[" * 100_000,
        lambda payload: b'"' + b"x" * 70_000 + b'"',
        lambda payload: payload.replace(b'"t"', b'"\xff"'),
    ],
)
def test_any_other_way_to_write_it_is_refused(spoiled: object) -> None:
    with pytest.raises(MalformedRecord):
        decode(spoiled(encode(record())))
