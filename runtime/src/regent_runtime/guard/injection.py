"""A linear model of attempts to give an agent other instructions: what no fixed sentence catches.

The weights were learned by `tests/bench/guards/train.py` and ship with the program; docs/reference/injection-model.md
is their card. A text's score is that of its worst stretch of WINDOW tokens, so neither its length nor what an attacker
wraps around an attack changes it. Tokens and runs of two are hashed into one table of a byte a weight by the checksum
of their letters, so words weigh the same written apart and together; runs of three have a table of their own.
"""

import binascii
import string
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import repeat
from math import exp, sqrt

from regent_api.policy import InjectionLevel

FILE = "injection_model.bin"
SLOTS = 1 << 16
"""Of a table: the checksums that there are."""
TABLES = 2
LONGEST_RUN = 3
WINDOW = 64
STRIDE = 16
BLOCK = 64 * STRIDE
"""Tokens that begin the stretches which are weighed at once."""
LEAST_TOKENS = 8
"""A shorter text weighs as one of this length, so that one word alone proves little."""
MOST_WEIGHT = 127
NOTHING = 128
"""The byte of a weight of 0."""
_MAGIC = b"RGNTINJ4"
_HEADER = struct.Struct("<8sff3f")
_LEVELS = (InjectionLevel.LENIENT, InjectionLevel.BALANCED, InjectionLevel.STRICT)
_NO_MARKS = f"{string.ascii_lowercase}{string.digits}{string.whitespace}".encode() + bytes(range(0x80, 0x100))
_SHAPE = bytes(
    b"a"[0]
    if chr(byte) in string.ascii_lowercase
    else b"1"[0]
    if chr(byte) in "013456789@$!|+"
    else b" 2"[byte == b"2"[0]]
    for byte in range(256)
)
"""A text in letters, in what may stand for a letter, in 2, and in all else."""
_LETTERS = bytes.maketrans(b"013456789@$!|+l", b"oieasgtbgasiiti")
_ONE_LETTER = bytes.maketrans(b"l", b"i")
"""A figure 1 may stand for either, so l and i are one letter everywhere."""


@dataclass(frozen=True)
class InjectionModel:
    weights: bytes
    """Of tokens and runs of two, one a slot: NOTHING and -MOST_WEIGHT to MOST_WEIGHT in units of `scale`."""
    threes: bytes
    """The same of runs of three."""
    scale: float
    bias: float
    thresholds: dict[InjectionLevel, float]

    def score(self, text: bytes) -> float:
        """The log-odds of the worst stretch of a folded text (UTF-8). Linear in its length."""
        return max(score for _, score in self.scores(tokens_of(text)))

    def scores(self, tokens: list[bytes], *, more: bool = False) -> Iterator[tuple[int, float]]:
        """The score block by block: how many tokens were weighed, and the log-odds of the worst stretch among them.

        Takes tokens off the list as it goes. `more`: others will follow, so those stay that will be weighed with them.
        """
        whole = BLOCK + WINDOW - STRIDE
        while len(tokens) >= whole + LONGEST_RUN - 1:
            yield whole, self._worst(tokens[: whole + LONGEST_RUN - 1], whole)
            del tokens[:BLOCK]
        if not more:
            yield len(tokens), self._worst(tokens, len(tokens))

    def _worst(self, tokens: Sequence[bytes], count: int) -> float:
        """Of the stretches of the first `count` tokens; a run that begins in one counts in it."""
        tables = (self.weights, self.weights, self.threes)
        ones, twos, threes = ([table[run] for run in runs] for table, runs in zip(tables, hashed(tokens), strict=True))
        twos += [NOTHING] * (len(ones) - len(twos))
        threes += [NOTHING] * (len(ones) - len(threes))
        ends = [(at, at + STRIDE) for at in range(0, count, STRIDE)]
        strides = [sum(ones[at:end] + twos[at:end] + threes[at:end]) for at, end in ends]
        *whole, last = (
            sum(strides[at : at + WINDOW // STRIDE]) for at in range(max(len(strides) - WINDOW // STRIDE, 0) + 1)
        )
        worst = _by_root(last, count - STRIDE * len(whole))
        return self.bias + self.scale * (max(worst, _by_root(max(whole), WINDOW)) if whole else worst)


def _by_root(weights: int, tokens: int) -> float:
    """What a stretch of so many tokens weighs, by the root of their number."""
    return (weights - LONGEST_RUN * NOTHING * tokens) / sqrt(max(tokens, LEAST_TOKENS))


def probability(score: float) -> float:
    """Of a score: 0 to 1, where .5 is as likely as not."""
    return 1 / (1 + exp(-score)) if score > 0 else 1 - 1 / (1 + exp(score))


def hashed(tokens: Sequence[bytes]) -> tuple[list[int], list[int], list[int]]:
    """Slots of each token, and of each run of two and three by its first: the CRC-16 of their letters (CCITT's)."""
    ones = list(map(binascii.crc_hqx, tokens, repeat(0)))
    twos = list(map(binascii.crc_hqx, tokens[1:], ones))
    return ones, twos, list(map(binascii.crc_hqx, tokens[2:], twos))


def tokens_of(text: bytes) -> list[bytes]:
    """Words in small letters, figures in them read as letters; any other character but a space is a token by itself."""
    small = _read(text.lower()).translate(_ONE_LETTER)
    for mark in set(small.translate(None, _NO_MARKS)):
        small = small.replace(b"%c" % mark, b" %c " % mark)
    return small.split()


def _read(lower: bytes) -> bytes:
    """With letters in the place of figures in every run in which a figure stands beside a letter."""
    shape = lower.translate(_SHAPE) + b" "
    behind, before = shape.find(b"a1"), shape.find(b"1a")
    if behind == before:
        return lower
    read, letters = bytearray(lower), lower.translate(_LETTERS)
    while behind != before:
        at = behind if before < 0 or 0 <= behind < before else before
        begin, end = shape.rfind(b" ", 0, at) + 1, shape.find(b" ", at)
        read[begin:end] = letters[begin:end]
        if 0 <= behind < end:
            behind = shape.find(b"a1", end)
        if 0 <= before < end:
            before = shape.find(b"1a", end)
    return bytes(read)


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
    packed = zlib.compress(model.weights + model.threes, 9)
    return _HEADER.pack(_MAGIC, model.scale, model.bias, *thresholds) + packed


def loads(data: bytes) -> InjectionModel:
    """Raises ValueError when the bytes are no model of this form."""
    magic, scale, bias, *thresholds = _HEADER.unpack_from(data)
    weights = zlib.decompress(data[_HEADER.size :])
    if magic != _MAGIC or len(weights) != TABLES * SLOTS:
        raise ValueError(f"{FILE} is no injection model")
    return InjectionModel(weights[:SLOTS], weights[SLOTS:], scale, bias, dict(zip(_LEVELS, thresholds, strict=True)))
