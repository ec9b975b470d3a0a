"""Inputs made from good ones: cut, doubled, spliced, with bits turned and meaningful pieces put in."""

from collections.abc import Callable, Iterator
from random import Random

from tests.fuzz.target import Target

_LETTERS = (
    "\u200b",
    "\u0338",
    "\u202e",
    "\ufeff",
    "ﬁ",
    "ＡＢ",
    "İ",
    "ß",
    "👩‍👩‍👧",
    "\U000e0041",
    "가",
    "é",
    "𝓪",
    "ั",
    "٣",
)
_PIECES = (
    *(piece.encode() for piece in _LETTERS),
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\r\n", b"%00", b"&#0;", b"\\u0000"),
    *(piece * 64 for piece in (b"[", b"{", b"(", b"<", b" ", b"a", b"\n", b"9", b"=", b"../", b"%25", b"&amp;")),
    *(b"-1", b"1e999", b"NaN", b"null", b"true", b"9223372036854775808"),
)


def inputs(target: Target, count: int, seed: int) -> Iterator[bytes]:
    """`count` inputs, the same for the same seed: the seeds themselves first."""
    chance = Random(seed)
    pool = list(target.seeds)
    yield from pool[:count]
    for _ in range(count - len(pool)):
        made = chance.choice(pool)
        for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
            made = chance.choice(_WAYS)(made, target, chance)
        made = made[: target.longest]
        if chance.random() < 0.02:
            pool[chance.randrange(len(pool))] = made
        yield made
        if chance.random() < 0.002:
            pool = list(target.seeds)


def _cut(data: bytes, _: Target, chance: Random) -> bytes:
    begin, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:begin] + data[end:]


def _doubled(data: bytes, _: Target, chance: Random) -> bytes:
    begin, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:end] + data[begin:end] * chance.choice((1, 1, 2, 30)) + data[end:]


def _spliced(data: bytes, target: Target, chance: Random) -> bytes:
    other = chance.choice(target.seeds)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _turned(data: bytes, _: Target, chance: Random) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _put_in(data: bytes, target: Target, chance: Random) -> bytes:
    at = chance.randint(0, len(data))
    piece = chance.choice(target.words) if target.words and chance.random() < 0.6 else chance.choice(_PIECES)
    return data[:at] + piece + data[at:]


def _noise(data: bytes, _: Target, chance: Random) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.randbytes(chance.randint(1, 12)) + data[at:]


_WAYS: tuple[Callable[[bytes, Target, Random], bytes], ...] = (
    _cut,
    _doubled,
    _spliced,
    _turned,
    _put_in,
    _put_in,
    _noise,
)
