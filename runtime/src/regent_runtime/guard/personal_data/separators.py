"""What people put between the groups of a number: one space, dash or dot, of Unicode's too."""

import re

ONE = r"(?:[ .\-]|\xc2\xa0|\xe2\x80[\x80-\x95\xaf]|\xe2\x88\x92)"
"""Bytes in UTF-8: the ASCII ones, no-break and narrow spaces, zero-width ones, hyphens and dashes, the minus sign."""

_GROUP = re.compile(rb"[0-9A-Za-z]+")


def groups(candidate: bytes) -> list[tuple[int, int]]:
    """Where the runs of letters and digits are."""
    return [found.span() for found in _GROUP.finditer(candidate)]


def squeezed(candidate: bytes) -> str:
    """Letters and digits alone."""
    return b"".join(_GROUP.findall(candidate)).decode("ascii")
