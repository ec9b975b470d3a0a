"""Email addresses as people write them (RFC 5321's dot-atoms, letters of any script); no quoted or commented ones."""

import re

from regent_runtime.guard.scan import Judged, Rule

_LOCAL = r"[A-Za-z0-9_\x80-\xff](?:[A-Za-z0-9._%+'/=~&!#$*?^{|}\-\x80-\xff]{0,63})"
_DOMAIN = r"[A-Za-z0-9\x80-\xff][A-Za-z0-9.\-\x80-\xff]{0,190}"
_TOP_LEVEL = r"\.(?:[A-Za-z]{2,24}|[Xx][Nn]--[A-Za-z0-9\-]{2,40}|[\x80-\xff]{4,48})"
_PICTURE = re.compile(rb"[1-9]x\.(?:png|jpe?g|gif|webp|svg|avif)", re.IGNORECASE)


def judge(candidate: bytes) -> Judged:
    domain = candidate.rpartition(b"@")[2]
    labels = domain.split(b".")
    is_version = len(labels) > 2 and all(label[:1].isdigit() for label in labels[:-1])
    if b"" in labels or is_version or _PICTURE.fullmatch(domain):
        return Judged([], len(candidate))
    return Judged([(0, len(candidate))], len(candidate))


RULES = (Rule("Email", f"{_LOCAL}@{_DOMAIN}{_TOP_LEVEL}", judge),)
