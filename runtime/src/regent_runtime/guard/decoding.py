"""The views of a text: what it says once its disguises are taken off, each to be matched like the text itself.

Every decoder works on what matches its own shape and makes at most as many bytes as it read, and views are decoded
again to MOST_DEPTH, so all views of a text together are at most BOUND times its size, in time linear in it.
"""

import binascii
import codecs
import html
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from urllib.parse import unquote_to_bytes

import re2

from regent_runtime.guard.normalise import fold
from regent_runtime.guard.searching import finder

MOST_DEPTH = 2
BOUND = 20
"""All views together, in sizes of the text."""


@dataclass(frozen=True, slots=True)
class View:
    """`text` in UTF-8, folded. `loose`: spaces and the letters i and l are no longer told apart."""

    text: bytes
    loose: bool = False


_ROT13 = bytes(codecs.encode(chr(code), "rot13").encode()[0] if code < 128 else code for code in range(256))
_LEET = bytes.maketrans(b"013457@$!|+iI", b"oleastaslltlL")
LATIN1 = re2.Options()
LATIN1.encoding = re2.Options.Encoding.LATIN1
"""For patterns that look at bytes."""
_LOOKS_LEET = finder(re2.compile(rb"[A-Za-z][013457@$!|+][A-Za-z]|[013457@$!|+][A-Za-z]{2}", LATIN1))
_LOOKS_SPACED = finder(
    re2.compile(rb"(?:^|[^A-Za-z0-9])(?:[A-Za-z0-9][ \t._*|~-]{1,3}){4}[A-Za-z0-9](?:[^A-Za-z0-9]|$)", LATIN1)
)
_SPACED = re.compile(rb"(^|[^A-Za-z0-9])((?:[A-Za-z0-9][ \t._*|~-]{1,3}){3,}[A-Za-z0-9]?)")
"""Python's own: RE2 is slow to hand over many matches, and this expression never turns back."""
_SEPARATORS = b" \t._*|~-"
_HEX = re2.compile(rb"(?:[0-9a-fA-F]{2}[ :,]?){8,}", LATIN1)
_BASE64 = re.compile(
    rb"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{16,})*(?:\r?\n[A-Za-z0-9+/_-]{2,15}(?:=|[ \t\r\n]|\Z))?"
)
_HEX_SEPARATORS = b" :,"
_SHORTEST = b"x" * 16
"""A run that may be packed, in the shape of its text: the characters that count as x, all others as spaces."""
_HEX_SHAPE = bytes(b" x"[chr(byte) in string.hexdigits] for byte in range(256))
_BASE64_SHAPE = bytes(b" x"[chr(byte) in f"{string.ascii_letters}{string.digits}+/_-"] for byte in range(256))
_ESCAPED = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|u00([0-9a-fA-F]{2})|u\{0{0,4}([0-9a-fA-F]{2})\})")
_ENTITY = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
_LONGEST_OPEN = max(len(name) for name in html5 if not name.endswith(";"))
_UNUSUAL = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), *range(127, 160))))
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def views(folded: str, depth: int = 0) -> Iterator[View]:
    """The text itself and everything that it decodes to."""
    text = folded.encode("utf-8", "replace")
    yield View(text)
    yield View(text.translate(_ROT13))
    if _LOOKS_LEET(text, 0):
        yield View(text.translate(_LEET), loose=True)
    if _LOOKS_SPACED(text, 0):
        yield View(_joined(text).translate(_LEET), loose=True)
    if depth == MOST_DEPTH:
        return
    for decoded in (_unescaped(text), _unpacked(text)):
        if decoded:
            yield from views(fold(decoded), depth + 1)


def _joined(text: bytes) -> bytes:
    """L e t t e r s that stand apart, as words."""
    joined: bytes = _SPACED.sub(lambda spaced: spaced[1] + spaced[2].translate(None, _SEPARATORS), text)
    return joined


def _unescaped(text: bytes) -> str:
    """Without URL, HTML and backslash escapes; empty where there are none."""
    plain = text
    if b"%" in plain:
        plain = unquote_to_bytes(plain)
    if b"\\" in plain:
        plain = _ESCAPED.sub(lambda escape: binascii.unhexlify(escape[1] or escape[2] or escape[3]), plain)
    if b"&" in plain:
        plain = _ENTITY.sub(_entity, plain.decode("utf-8", "replace")).encode("utf-8", "replace")
    return "" if plain == text else plain.decode("utf-8", "replace")


def _entity(found: re.Match[str]) -> str:
    """As html.unescape, which tries thirty names for each that it does not know; those without `;` are short."""
    name = found[1]
    if name[0] != "#" and name not in html5:
        known = next((end for end in range(min(len(name), _LONGEST_OPEN), 1, -1) if name[:end] in html5), 0)
        return html5[name[:known]] + name[known:] if known else found[0]
    return html.unescape(found[0])


def _unpacked(text: bytes) -> str:
    """What runs of base64 and hex say, a line each; runs that are no text are left out."""
    found = []
    if _SHORTEST in text.translate(_HEX_SHAPE, _HEX_SEPARATORS):
        found += [_from_hex(run[0]) for run in _HEX.finditer(text)]
    found += map(_from_base64, _base64_runs(text))
    return "\n".join(filter(None, found))


def _base64_runs(text: bytes) -> Iterator[bytes]:
    """All that _BASE64 finds. Where a line of a run is gets looked up in the text's shape: no expression is as fast."""
    shape = text.translate(_BASE64_SHAPE) + b" "
    at = shape.find(_SHORTEST)
    while at >= 0:
        end = shape.find(b" ", at)
        if text[end : end + 1] in b"\r\n" and (lines := _BASE64.match(text, at)):
            end = lines.end()
        yield text[at:end]
        at = shape.find(_SHORTEST, end)


def _from_hex(run: bytes) -> str:
    digits = run.translate(None, _HEX_SEPARATORS)
    return _text_of(binascii.unhexlify(digits[: len(digits) & ~1]))


def _from_base64(run: bytes) -> str:
    """Of the four ways to cut a run into groups the first that gives text: what stands before it may belong to it."""
    if run.islower() or run.isupper():  # paths and names: no sentence becomes letters of one case
        return ""
    run = run.translate(_URL_SAFE, b"\r\n\t =")
    for begin in range(4):
        cut = run[begin:]
        cut = cut[: len(cut) - (len(cut) % 4 == 1)]
        if text := _text_of(binascii.a2b_base64(cut + b"=" * (-len(cut) % 4))):
            return text
    return ""


def _text_of(raw: bytes) -> str:
    """The bytes as text, empty where they are none. A character may be cut at either end."""
    text = raw.decode("utf-8", "replace")
    strange = text.count("\ufffd") + sum(map(_UNUSUAL.__contains__, text))
    return text if strange * 10 <= len(text) else ""
