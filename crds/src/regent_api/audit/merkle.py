"""The Merkle tree of RFC 6962 (2.1) over a log's records, kept as its compact range: one hash for each perfect subtree.

Appending costs two hashes on average, and the root of n records the number of ones in n. The range of a log's first n
records is all that later roots need of them, so retention can delete records without ending verification.
"""

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(payload: bytes | memoryview) -> bytes:
    return hashlib.sha256(b"\x00" + bytes(payload)).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """`hashes`: the perfect subtrees from the left, largest first; as many as `size` has ones.

    Raises ValueError when their number cannot be that of a tree of this size.
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count() or any(len(each) != 32 for each in hashes):
            raise ValueError("these hashes are no compact range of this size")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        size, node = self.size, leaf
        while size & 1:
            node = node_hash(self.hashes.pop(), node)
            size >>= 1
        self.hashes.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        *rest, root = self.hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root

    def copy(self) -> "Tree":
        return Tree(self.size, self.hashes)
