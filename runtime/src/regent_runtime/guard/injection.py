"""A linear model of attempts to give an agent other instructions: what no fixed sentence catches.

The weights were learned by `tests/bench/guards/train.py` and ship with the program; docs/reference/injection-model.md
is their card. A text's score is that of its worst stretch of WINDOW tokens, so neither its length nor what an attacker
wraps around an attack changes it. Runs of one, two and three tokens are hashed into a table of one byte a weight.
"""

import string
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, repeat
from math import exp, sqrt

import re2

from regent_api.policy import InjectionLevel
from regent_runtime.guard.decoding import LATIN1

FILE = "injection_model.bin"
SLOTS = 1 << 18
WINDOW = 64
STRIDE = 16
LEAST_TOKENS = 8
"""A shorter text weighs as one of this length, so that one word alone proves little."""
_MAGIC = b"RGNTINJ1"
_HEADER = struct.Struct("<8sff3f")
_LEVELS = (InjectionLevel.LENIENT, InjectionLevel.BALANCED, InjectionLevel.STRICT)
_NO_MARKS = f"{string.ascii_lowercase}{string.digits}{string.whitespace}".encode() + bytes(range(0x80, 0x100))
_MIXED = re2.compile(
    rb"[a-z0-9@$!|+]*(?:[a-z][013-9@$!|+]|[013-9@$!|+][a-z])[a-z0-9@$!|+]*",
    LATIN1,
)
_LETTERS = bytes.maketrans(b"013456789@$!|+l", b"oieasgtbgasiiti")
_ONE_LETTER = bytes.maketrans(b"l", b"i")
"""A figure 1 may stand for either, so l and i are one letter everywhere."""
_ROOTS = [sqrt(max(tokens, LEAST_TOKENS)) for tokens in range(WINDOW + 1)]
"""By which the weight of a stretch of so many tokens is divided."""


@dataclass(frozen=True)
class InjectionModel:
    weights: Sequence[int]
    """-127 to 127 a slot, in units of `scale`."""
    scale: float
    bias: float
    thresholds: dict[InjectionLevel, float]

    def score(self, text: bytes) -> float:
        """The log-odds of the worst stretch of a folded text (UTF-8). Linear in its length."""
        ones, twos, threes = map(self._summed, hashed(text))
        if len(ones) == 1:
            return self.bias
        worst = max(
            (ones[end] - ones[begin] + twos[end - 1] - twos[begin] + threes[end - 2] - threes[begin])
            / _ROOTS[end - begin]
            for begin, end in stretches(len(ones) - 1)
        )
        return self.bias + self.scale * worst

    def _summed(self, runs: Iterable[int]) -> list[int]:
        """What the first none, one, two ... of the runs weigh together."""
        weights, mask = self.weights, SLOTS - 1
        return list(accumulate([weights[run & mask] for run in runs], initial=0))


def probability(score: float) -> float:
    """Of a score: 0 to 1, where .5 is as likely as not."""
    return 1 / (1 + exp(-score)) if score > 0 else 1 - 1 / (1 + exp(score))


def hashed(text: bytes) -> tuple[Iterable[int], Iterable[int], Iterable[int]]:
    """Hashes of each token, and of each run of two and of three, by their first; `& SLOTS - 1` gives the slot."""
    tokens = _tokens(text)
    twos = list(map(zlib.crc32, tokens[1:], map(zlib.crc32, tokens, repeat(1))))
    return map(zlib.crc32, tokens), twos, map(zlib.crc32, tokens[2:], twos)


def _tokens(text: bytes) -> list[bytes]:
    """Words in small letters, figures in them read as letters; any other character but a space is a token by itself."""
    lower = text.lower()
    read, letters = bytearray(lower), lower.translate(_LETTERS)
    for word in _MIXED.finditer(lower):
        begin, end = word.span()
        read[begin:end] = letters[begin:end]
    small = bytes(read).translate(_ONE_LETTER)
    for mark in set(small.translate(None, _NO_MARKS)):
        small = small.replace(b"%c" % mark, b" %c " % mark)
    return small.split()


def stretches(tokens: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch that is weighed; all tokens are in at least one."""
    for begin in range(0, max(tokens - WINDOW, 0) + STRIDE, STRIDE):
        yield begin, min(begin + WINDOW, tokens)


@cache
def model() -> InjectionModel:
    """The model that ships with the program, read once."""
    return loads(files(__package__).joinpath(FILE).read_bytes())


def dumps(model: InjectionModel) -> bytes:
    """The file of a model."""
    thresholds = (model.thresholds[level] for level in _LEVELS)
    packed = zlib.compress(array("b", model.weights).tobytes(), 9)
    return _HEADER.pack(_MAGIC, model.scale, model.bias, *thresholds) + packed


def loads(data: bytes) -> InjectionModel:
    """Raises ValueError when the bytes are no model of this form."""
    magic, scale, bias, *thresholds = _HEADER.unpack_from(data)
    weights = array("b", zlib.decompress(data[_HEADER.size :]))
    if magic != _MAGIC or len(weights) != SLOTS:
        raise ValueError(f"{FILE} is no injection model")
    return InjectionModel(weights, scale, bias, dict(zip(_LEVELS, thresholds, strict=True)))
