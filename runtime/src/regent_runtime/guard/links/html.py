"""HTML within an answer: tags that fetch something unasked, and attributes that hold addresses.

Attributes are looked for anywhere, in tags or not, because where a tag ends is a matter of opinion among parsers.
"""

import re
from collections.abc import Callable

from regent_runtime.guard.scan import Judged, Rule

Forbidden = Callable[[bytes], bool]

MOST_OF_A_TAG = 470
_LONGEST_ADDRESS = 400
_MOST_SPACE = 40
"""Between an attribute's name, `=` and its value."""
_FETCHING = (
    "img|image|picture|source|video|audio|track|iframe|frame|frameset|embed|object|applet|svg|link|script|style|input|"
    "base|meta|portal|bgsound|math|xml|import"
)
_FETCHES = re.compile(
    rf"</?(?:[a-z0-9]+:)?(?:{_FETCHING})(?![a-z0-9])"
    r"|[\s\"'/](?:src|srcset|srcdoc|poster|background|style|lowsrc|dynsrc|data|on[a-z]+)\s*=".encode(),
    re.IGNORECASE,
)
_QUOTED = re.compile(rb"=\s*(?:\"[^\"]*\"|'[^']*')")
_QUOTE_OPENED = re.compile(rb"=\s*[\"']")
_ATTRIBUTES = (
    "href|src|action|formaction|cite|longdesc|ping|data|content|background|poster|manifest|codebase|usemap|profile|"
    "srcset|lowsrc|dynsrc|srcdoc"
)
_SRCSET = re.compile(rb"[\s,]+")


def _judge_fetching(candidate: bytes) -> Judged:
    """A tag that fetches, or whose quotes show that it goes on behind its first `>`."""
    goes_on = _QUOTE_OPENED.search(_QUOTED.sub(b"", candidate))
    spans = [(0, len(candidate))] if goes_on or _FETCHES.search(candidate) else []
    return Judged(spans, len(candidate))


def _opening(_: bytes) -> Judged:
    return Judged([(0, 1)], 1)


FETCHING_TAG = Rule("image", rf"<[/!?A-Za-z][^<>]{{0,{MOST_OF_A_TAG}}}>", _judge_fetching, opening="<[/!?A-Za-z]")
FETCHING_OPENING = Rule("image", rf"(?i:</?(?:[a-z0-9]{{1,16}}:)?(?:{_FETCHING})\b)", _opening)
"""What is left of those: no end of the tag is near, so it is made text."""
_TAG_OPENED = r"<[A-Za-z][A-Za-z0-9:\-]{0,30}[\s/]"
OPEN_TAG = Rule(
    "open-tag",
    rf"{_TAG_OPENED}(?:[^<>]{{0,{MOST_OF_A_TAG}}}(?:<|\z)|[^<>]{{{MOST_OF_A_TAG + 1}}})",
    _opening,
    opening=_TAG_OPENED,
)
"""A tag that does not end within a window, not before the next, or not at all: what a page puts behind it would."""


def attributes(forbidden: Forbidden) -> Rule:
    """The addresses of attributes. What is too far from its name is cut off from it."""

    def judge(candidate: bytes) -> Judged:
        name, _, value = candidate.partition(b"=")
        if not value.strip():
            return Judged([(len(candidate.rstrip()), len(candidate))], len(candidate))
        start = len(name) + 1 + len(value) - len(value.lstrip())
        quote = candidate[start : start + 1]
        start += quote in {b'"', b"'"}
        address = candidate[start:]
        parts = _SRCSET.split(address) if name.lower().strip().endswith(b"srcset") else [address]
        is_forbidden = len(address) >= _LONGEST_ADDRESS or any(forbidden(part) for part in parts)
        return Judged([(start, len(candidate))] if address and is_forbidden else [], start)

    most = f"{{0,{_LONGEST_ADDRESS}}}"
    value = rf"(?:\"[^\"]{most}|'[^']{most}|[^\s\"'>][^\s>]{most})"
    near, far = f"\\s{{0,{_MOST_SPACE}}}", f"\\s{{{_MOST_SPACE + 1}}}"
    name = rf"(?i:[\s\"'/](?:xlink:)?(?:{_ATTRIBUTES}))"
    return Rule(
        "link",
        rf"{name}(?:{near}=(?:{near}{value}|{far})|{far})",
        judge,
        opening=rf"{name}(?:{near}=|{far})",
    )
