"""Audit logs as a verifier reads them: frames, and the records within."""

from contextlib import suppress

from regent_api.audit.frame import RECORD, BadFrame, frame, frames
from regent_api.audit.record import MalformedRecord, decode
from tests.fuzz.target import Target

_RECORD = (
    b'{"kind":"Intent","id":"a","sequence":1,"previous":"","time":1.5,"agent":"demo/helper","decisions":'
    b'[{"stage":"input","action":"Deny"}],"attempts":[],"tokens":{"input":3,"output":4}}'
)


def feed(data: bytes) -> None:
    with suppress(BadFrame, MalformedRecord):
        for found in frames(data):
            assert found.start < found.end <= len(data)
            decode(found.payload)
    with suppress(MalformedRecord):
        decode(data)


TARGET = Target(
    feed,
    seeds=(frame(RECORD, _RECORD), frame(RECORD, _RECORD) * 3, _RECORD, b"[" * 2000),
    words=(frame(RECORD, b"{}"), b'"kind":', b'"Outcome"', b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b'"sequence":-1'),
    longest=8192,
)
