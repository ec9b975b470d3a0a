"""Where CommonMark and GFM look for an address: behind `](` and `]:`, in `<...>`, and in bare text."""

import re
from collections.abc import Callable

from regent_runtime.guard.scan import Judged, Rule

Forbidden = Callable[[bytes], bool]

_LONGEST_ADDRESS = 400
_TITLE = r"(?:[ \t\r\n]{1,4}(?:\"[^\"]{0,60}\"|'[^']{0,60}'|\([^()]{0,60}\)))?"

IMAGE = Rule(
    "image",
    r"!\[[^\[\]\\]{0,100}\](?:"
    rf"\([ \t\r\n]{{0,4}}(?:<[^<>\n]{{0,280}}>|[^ \t\r\n()<>]{{0,280}}){_TITLE}[ \t\r\n]{{0,4}}\)|\[[^\[\]]{{0,80}}\])",
    opening=r"!\[",
)
IMAGE_OPENING = Rule("image", r"!\[")
"""Of an image of any other form, or of none: escaped, it opens nothing."""

_AFTER_OPENING = re.compile(rb"\][(:][ \t\r\n]*<?")


def destinations(forbidden: Forbidden) -> Rule:
    """Addresses of inline links and of definitions. What is too far from the opening is cut off from it."""

    def judge(candidate: bytes) -> Judged:
        if not candidate[2:].strip():
            return Judged([(2, len(candidate))], len(candidate))
        opening = _AFTER_OPENING.match(candidate)
        start = opening.end() if opening else 0
        address = candidate[start:]
        if not candidate[:start].endswith(b"<"):
            address = address[: _balanced(address)]
        is_forbidden = len(address) >= _LONGEST_ADDRESS or forbidden(address)
        return Judged([(start, start + len(address))] if address and is_forbidden else [], start)

    address = rf"(?:<[^<>\n]{{0,{_LONGEST_ADDRESS}}}|[^ \t\r\n<][^ \t\r\n]{{0,{_LONGEST_ADDRESS}}})"
    opening, space = r"\][(:]", r"[ \t\r\n]"
    return Rule("link", rf"{opening}(?:{space}{{0,64}}{address}|{space}{{65}})", judge, opening=opening)


def autolinks(forbidden: Forbidden) -> Rule:
    """`<scheme:anything>`."""

    def judge(candidate: bytes) -> Judged:
        return Judged([(1, len(candidate))] if forbidden(candidate[1:]) else [], len(candidate))

    opening = r"<[A-Za-z][A-Za-z0-9+.\-]{1,31}:"
    return Rule("link", rf"{opening}[^\s<>]{{0,{_LONGEST_ADDRESS}}}", judge, opening=opening)


def bare_addresses(forbidden: Forbidden) -> Rule:
    """Addresses that stand in the text itself: with a scheme and slashes, or `www.`."""

    def judge(candidate: bytes) -> Judged:
        start = candidate[:1] == b"_"
        named = candidate[start : start + 4].lower() == b"www."
        address = b"//" + candidate[start:] if named else candidate
        return Judged([(0, len(candidate))] if forbidden(address) else [], len(candidate))

    scheme = r"[A-Za-z][A-Za-z0-9+.\-]{1,30}(?::|&colon;|&#58;|&#[xX]3[aA];)(?:[/\\]|&sol;|&#47;|&#[xX]2[fF];){2}"
    rest = rf"[^ \t\r\n<>\"'()\[\]]{{0,{_LONGEST_ADDRESS}}}"
    opening = rf"(?:{scheme}|(?:\b|_)[Ww][Ww][Ww]\.)"
    return Rule("link", opening + rest, judge, opening=opening)


def _balanced(address: bytes) -> int:
    """Where an inline address ends: before the parenthesis that closes the link."""
    depth = 0
    for at, byte in enumerate(address):
        if byte == ord("("):
            depth += 1
        elif byte == ord(")"):
            depth -= 1
            if depth < 0:
                return at
    return len(address)
