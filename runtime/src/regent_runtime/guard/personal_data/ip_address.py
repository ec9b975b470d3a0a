"""IP addresses that may lead to a person: not loopback, not unspecified, not the four-part numbers of versions."""

import ipaddress
import re

from regent_runtime.guard.scan import Judged, Rule

_VERSIONED = (
    r"(?i:\bver\.? ?|\bversion[: ]{0,2}|\brelease[: ]{0,2}|\bbuild[: ]{0,2}|[a-z]/|[a-z]-|[<>=~!]= ?|\^|"
    r"\b(?:section|chapter|clause|paragraph|sec\.|\xc2\xa7) ?)?"
)
_V4 = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:\.?[0-9A-Za-z_]|-[A-Za-z]|\.)?"
_V6 = r"\b[0-9A-Fa-f]{0,4}:(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f.]{0,15}(?:[0-9A-Za-z_:])?"
_DIGIT = re.compile(rb"[0-9]")
_V6_RANGES = tuple(ipaddress.IPv6Network(each) for each in ("2000::/3", "fc00::/7", "fe80::/10", "::ffff:0:0/96"))


def judge_v4(candidate: bytes) -> Judged:
    """Four numbers up to 255, after nothing that says version, and no fifth."""
    found = _DIGIT.search(candidate)
    start = found.start() if found else 0
    text = candidate[start:].decode("latin-1")
    text = text.removesuffix(".")
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return Judged([], len(candidate))
    if start or address.is_loopback or address.is_unspecified or address == _BROADCAST:
        return Judged([], len(candidate))
    return Judged([(0, len(text))], len(text))


def judge_v6(candidate: bytes) -> Judged:
    text = candidate.decode("latin-1").rstrip(".")
    if text.endswith(":") and not text.endswith("::"):
        text = text[:-1]
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return Judged([], len(candidate))
    counts = any(address in network for network in _V6_RANGES)
    return Judged([(0, len(text))] if counts else [], len(candidate))


_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
RULES = (Rule("IPv4", _VERSIONED + _V4, judge_v4), Rule("IPv6", _V6, judge_v6))
