"""A linear model of attempts to give an agent other instructions: what no fixed sentence catches.

The weights were learned by `tests/bench/guards/train.py` and ship with the program; docs/reference/injection-model.md
is their card. A text's score is that of its worst stretch of WINDOW tokens, so neither its length nor what an attacker
wraps around an attack changes it. Runs of one, two and three tokens are hashed into one table of a byte a weight by the
checksum of their letters: words weigh the same written apart and together.
"""

import string
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import exp, sqrt

from regent_api.policy import InjectionLevel

FILE = "injection_model.bin"
SLOTS = 1 << 18
WINDOW = 64
STRIDE = 16
BLOCK = 64 * STRIDE
"""Tokens that begin the stretches which are weighed at once."""
LONGEST_RUN = 3
LEAST_TOKENS = 8
"""A shorter text weighs as one of this length, so that one word alone proves little."""
MOST_WEIGHT = 127
_MAGIC = b"RGNTINJ2"
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
_ROOTS = [sqrt(max(tokens, LEAST_TOKENS)) for tokens in range(WINDOW + 1)]
"""By which the weight of a stretch of so many tokens is divided."""


@dataclass(frozen=True)
class InjectionModel:
    weights: Sequence[int]
    """-MOST_WEIGHT to MOST_WEIGHT a slot, in units of `scale`."""
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
        whole, ahead = BLOCK + WINDOW - STRIDE, LONGEST_RUN - 1
        while len(tokens) >= whole + (ahead if more else 1):
            yield whole, self._worst(tokens[: whole + ahead], whole)
            del tokens[:BLOCK]
        if not more:
            yield len(tokens), self._worst(tokens, len(tokens))

    def _worst(self, tokens: Sequence[bytes], count: int) -> float:
        """Of the stretches of the first `count` tokens; a run that begins in one counts in it."""
        weights, mask = self.weights, SLOTS - 1
        ones, twos, threes = ([weights[run & mask] for run in runs] for runs in hashed(tokens))
        strides = [
            sum(ones[at : at + STRIDE]) + sum(twos[at : at + STRIDE]) + sum(threes[at : at + STRIDE])
            for at in range(0, count, STRIDE)
        ]
        *whole, last = (
            sum(strides[at : at + WINDOW // STRIDE]) for at in range(max(len(strides) - WINDOW // STRIDE, 0) + 1)
        )
        of_last = last / _ROOTS[count - STRIDE * len(whole)]
        return self.bias + self.scale * max([of_last, *(each / _ROOTS[WINDOW] for each in whole)])


def probability(score: float) -> float:
    """Of a score: 0 to 1, where .5 is as likely as not."""
    return 1 / (1 + exp(-score)) if score > 0 else 1 - 1 / (1 + exp(score))


def hashed(tokens: Sequence[bytes]) -> tuple[list[int], list[int], list[int]]:
    """Hashes of each token, and of each run of two and of three, by their first; `& SLOTS - 1` gives the slot."""
    ones = list(map(zlib.crc32, tokens))
    twos = list(map(zlib.crc32, tokens[1:], ones))
    return ones, twos, list(map(zlib.crc32, tokens[2:], twos))


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
    packed = zlib.compress(array("b", model.weights).tobytes(), 9)
    return _HEADER.pack(_MAGIC, model.scale, model.bias, *thresholds) + packed


def loads(data: bytes) -> InjectionModel:
    """Raises ValueError when the bytes are no model of this form."""
    magic, scale, bias, *thresholds = _HEADER.unpack_from(data)
    weights = array("b", zlib.decompress(data[_HEADER.size :]))
    if magic != _MAGIC or len(weights) != SLOTS:
        raise ValueError(f"{FILE} is no injection model")
    return InjectionModel(weights, scale, bias, dict(zip(_LEVELS, thresholds, strict=True)))
