import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.audit.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(root_of(leaves[:half]), root_of(leaves[half:]))


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_root_is_that_of_the_rfc_also_when_continued_from_a_range(count: int, begin: int) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(begin + count)]
    tree = Tree()
    for leaf in leaves[:begin]:
        tree.append(leaf)
    tree = Tree(begin, tree.hashes)
    for leaf in leaves[begin:]:
        tree.append(leaf)
    assert tree.root() == root_of(leaves)


def test_the_tests_of_certificate_transparency_agree() -> None:
    """Inputs and roots of the reference implementation of RFC 6962."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    tree = Tree()
    for each in inputs:
        tree.append(leaf_hash(bytes.fromhex(each)))
    assert tree.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT


@pytest.mark.parametrize(("size", "hashes"), [(-1, []), (1, []), (2, [b"0" * 32, b"0" * 32]), (1, [b"short"])])
def test_a_range_that_cannot_be_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ValueError, match="compact range"):
        Tree(size, hashes)
