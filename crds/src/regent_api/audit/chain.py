"""Records linked by hash. Each names the hash of the one before; the first names the log itself."""

import hashlib

from msgspec.structs import replace

from regent_api.audit.merkle import Tree, leaf_hash
from regent_api.audit.record import LARGEST_RECORD, MalformedRecord, Record, decode, encode


class BrokenChain(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """A record does not follow on the one before. The text says how."""


def genesis(log: str) -> bytes:
    """What the first record of a log names as `previous`: no log can pass for the beginning of another."""
    return hashlib.sha256(b"\x02" + log.encode()).digest()


class OtherPrevious(BrokenChain):
    """A record names another one as `previous`: it is altered, or the one before it is."""


class Chain:
    """The end of a log: how many records it has, the last one's hash, and the tree over all of them.

    `seal` is for the one writer, `follow` for readers; both leave the chain as it was when they raise.
    """

    def __init__(self, log: str, head: bytes | None = None, tree: Tree | None = None) -> None:
        self.log = log
        self.head = head if head is not None else genesis(log)
        self.tree = tree if tree is not None else Tree()

    @property
    def size(self) -> int:
        """The sequence of the next record."""
        return self.tree.size

    def seal(self, record: Record) -> bytes:
        """The record's canonical bytes, as the next of the log. Raises MalformedRecord: no reader would take it."""
        payload = encode(replace(record, sequence=self.size, previous=self.head.hex()))
        if len(payload) > LARGEST_RECORD:
            raise MalformedRecord("larger than a record may be")
        self._append(payload)
        return payload

    def follow(self, payload: bytes | memoryview) -> Record:
        """Check that a payload is the next record, and take it. Raises MalformedRecord, BrokenChain."""
        record = decode(payload)
        if record.sequence != self.size:
            raise BrokenChain(f"record {record.sequence} stands where record {self.size} belongs")
        if record.previous != self.head.hex():
            raise OtherPrevious(f"record {record.sequence} follows on another record than the one before it")
        self._append(payload)
        return record

    def _append(self, payload: bytes | memoryview) -> None:
        self.head = leaf_hash(payload)
        self.tree.append(self.head)

    def copy(self) -> "Chain":
        return Chain(self.log, self.head, self.tree.copy())
