"""Reads the reach of an RE2 pattern's matches off the pattern.

RE2's Python binding does not tell it, so the pattern is read here once more, by RE2's grammar
(https://github.com/google/re2/wiki/Syntax). What this reader does not know is Unmeasured, and its turn is buffered: an
answer that is too high costs time, one that is too low would let a match through.
"""

from collections.abc import Iterable
from functools import reduce

from regent_runtime.guard.extent import LONGEST_CHARACTER, NOTHING, WORD_BOUNDARY, Extent, any_of, one

MOST_REPEATS = 1000
"""RE2's own bound of a counted repetition."""
_ALL = (1 << 256) - 1
_HIGH = _ALL ^ ((1 << 128) - 1)
"""Every byte of a UTF-8 sequence beyond ASCII."""
_ZERO_WIDTH = frozenset("bBAz")
_CLASSES = {
    "d": "0123456789",
    "s": "\t\n\f\r ",
    "w": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
}
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_ASCII_NAMES = {
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
}  # fmt: skip


class Unmeasured(ValueError):  # noqa: N818 - an outcome
    """The pattern uses syntax whose reach is not known here."""


def extent(pattern: str, *, latin1: bool = False) -> Extent:
    """The reach of a pattern's matches in UTF-8 text, or of bytes when `latin1`. Raises Unmeasured."""
    reader = _Reader(pattern, latin1=latin1)
    try:
        measured = reader.alternatives(fold=False)
    except RecursionError:
        raise Unmeasured("nests deeply") from None
    if reader.at < len(pattern):
        raise Unmeasured(f"at {reader.at}")
    return measured


def _mask(characters: Iterable[str]) -> int:
    return reduce(lambda mask, character: mask | 1 << ord(character), characters, 0)


class _Reader:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str, *, latin1: bool) -> None:
        self._pattern = pattern
        self._latin1 = latin1
        self.at = 0

    def alternatives(self, *, fold: bool) -> Extent:
        branches = []
        while True:
            branch, fold = self._sequence(fold=fold)
            branches.append(branch)
            if not self._took("|"):
                return reduce(Extent.either, branches)

    def _sequence(self, *, fold: bool) -> tuple[Extent, bool]:
        whole = NOTHING
        while self.at < len(self._pattern) and self._pattern[self.at] not in "|)":
            if (switched := self._flags(fold=fold)) is not None:
                fold = switched
                continue
            whole = whole.then(self._repeated(self._atom(fold=fold)))
        return whole, fold

    def _flags(self, *, fold: bool) -> bool | None:
        """`(?i)`: for the rest of the group. None: there is none here."""
        end = self._pattern.find(")", self.at)
        letters = self._pattern[self.at + 2 : end]
        if not self._pattern.startswith("(?", self.at) or not letters or not set(letters) <= set("imsU-"):
            return None
        self.at = end + 1
        return _folds(letters, fold=fold)

    def _repeated(self, atom: Extent) -> Extent:
        while self.at < len(self._pattern):
            character = self._pattern[self.at]
            if character in "*+?":
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
                self.at += 1
            elif character == "{" and (counted := self._count()) is not None:
                least, most = counted
            else:
                break
            self._took("?")
            atom = atom.times(least, most)
        return atom

    def _count(self) -> tuple[int, int | None] | None:
        """`{n}`, `{n,}` or `{n,m}`; any other brace is itself."""
        end = self._pattern.find("}", self.at)
        least, comma, most = self._pattern[self.at + 1 : max(end, self.at + 1)].partition(",")
        if end < 0 or not _is_number(least) or (most and not _is_number(most)):
            return None
        self.at = end + 1
        if max(int(least), int(most or 0)) > MOST_REPEATS:
            raise Unmeasured("repeats too often")
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else None

    def _atom(self, *, fold: bool) -> Extent:
        character = self._pattern[self.at]
        self.at += 1
        match character:
            case "(":
                return self._group(fold=fold)
            case "[":
                return self._bracket(fold=fold)
            case ".":
                return self._any()
            case "^" | "$":
                return NOTHING
            case "\\":
                return self._escape(fold=fold)
            case "*" | "+" | "?":
                raise Unmeasured("repeats nothing")
            case _:
                return self._literal(ord(character), fold=fold)

    def _group(self, *, fold: bool) -> Extent:
        if self._took("?"):
            for opening in ("P<", "<"):
                if self._took(opening):
                    self.at = self._pattern.find(">", self.at) + 1
                    break
            else:
                end = self._pattern.find(":", self.at)
                letters = self._pattern[self.at : end]
                if end < 0 or not set(letters) <= set("imsU-"):
                    raise Unmeasured("unknown group")
                self.at = end + 1
                fold = _folds(letters, fold=fold)
        inside = self.alternatives(fold=fold)
        if not self._took(")"):
            raise Unmeasured("open group")
        return inside

    def _bracket(self, *, fold: bool) -> Extent:
        negated = self._took("^")
        found: list[Extent] = []
        while not found or not self._pattern.startswith("]", self.at):
            if self.at >= len(self._pattern):
                raise Unmeasured("open class")
            found.append(self._member(fold=fold))
        self.at += 1
        whole = any_of(found)
        return self._not(whole.alphabet) if negated else whole

    def _not(self, alphabet: int) -> Extent:
        """Any character but these. A class that was read as every byte is not known byte by byte."""
        ascii_known = alphabet & _ALL != _ALL
        others = _ALL & ~alphabet if ascii_known else _ALL
        if self._latin1:
            return one(others)
        return one(others | _HIGH, LONGEST_CHARACTER)

    def _member(self, *, fold: bool) -> Extent:
        """A character, a range or a class within brackets."""
        if self._took("[:"):
            end = self._pattern.find(":]", self.at)
            name = self._pattern[self.at : end].removeprefix("^")
            if end < 0 or name not in _ASCII_NAMES:
                raise Unmeasured("unknown class")
            self.at = end + 2
            return self._any()
        low = self._class_character()
        if low is None:
            self.at -= 1
            return self._escape(fold=fold)
        high: int | None = low
        if self._pattern.startswith("-", self.at) and not self._pattern.startswith("-]", self.at):
            self.at += 1
            high = self._class_character()
        if high is None or high < low:
            raise Unmeasured("a range of classes")
        if high > 127 and not (self._latin1 and high < 256):
            low_part = self._range(low, 127, fold=fold) if low < 128 else one(0, LONGEST_CHARACTER)
            return any_of((low_part, one(_HIGH, LONGEST_CHARACTER)))
        return self._range(low, high, fold=fold)

    def _range(self, low: int, high: int, *, fold: bool) -> Extent:
        return any_of(self._literal(point, fold=fold) for point in range(low, high + 1))

    def _class_character(self) -> int | None:
        """A code point; None: an escape that stands for several, whose letter comes next."""
        if self.at >= len(self._pattern):
            raise Unmeasured("open class")
        character = self._pattern[self.at]
        self.at += 1
        if character != "\\":
            return ord(character)
        return self._escaped_point()

    def _escaped_point(self) -> int | None:
        """The code point that an escape means, after its backslash; None: it means several, or none."""
        if self.at >= len(self._pattern):
            raise Unmeasured("trailing backslash")
        letter = self._pattern[self.at]
        self.at += 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "x":
            return self._hexadecimal()
        if letter in "01234567":
            return self._octal(letter)
        return None if letter.isalnum() or ord(letter) > 127 else ord(letter)

    def _hexadecimal(self) -> int:
        if self._took("{"):
            end = self._pattern.find("}", self.at)
            digits, after = self._pattern[self.at : max(end, self.at)], end + 1
        else:
            digits, after = self._pattern[self.at : self.at + 2], self.at + 2
        try:
            point = int(digits, 16)
        except ValueError:
            raise Unmeasured("not hexadecimal") from None
        self.at = after
        return point

    def _octal(self, digit: str) -> int:
        r"""`\0`, `\012`, `\123`; a single digit but 0 is no escape of RE2."""
        digits = digit
        while len(digits) < 3 and self.at < len(self._pattern) and self._pattern[self.at] in "01234567":
            digits += self._pattern[self.at]
            self.at += 1
        if digit != "0" and len(digits) == 1:
            raise Unmeasured("a backreference")
        return int(digits, 8)

    def _escape(self, *, fold: bool) -> Extent:
        """What stands behind a backslash, outside brackets or as a member of them."""
        letter = self._pattern[self.at] if self.at < len(self._pattern) else ""
        if letter in _CLASSES:
            self.at += 1
            mask = _mask(_CLASSES[letter])
            mask |= _HIGH if fold else 0
            return one(mask, LONGEST_CHARACTER if fold else 1)
        if letter in {"D", "S", "W"}:
            self.at += 1
            return self._any()
        if letter and letter in _ZERO_WIDTH:
            self.at += 1
            return WORD_BOUNDARY if letter == "b" else NOTHING
        if letter in {"p", "P"}:
            return self._unicode_class()
        if letter == "Q":
            return self._quoted(fold=fold)
        if letter == "C":
            self.at += 1
            return one(_ALL)
        point = self._escaped_point()
        if point is None:
            raise Unmeasured("unknown escape")
        return self._literal(point, fold=fold)

    def _unicode_class(self) -> Extent:
        self.at += 1
        if self._took("{"):
            self.at = self._pattern.find("}", self.at)
            if self.at < 0:
                raise Unmeasured("open class")
        self.at += 1
        return self._any()

    def _quoted(self, *, fold: bool) -> Extent:
        begun = self.at + 1
        end = self._pattern.find("\\E", begun)
        text = self._pattern[begun : end if end >= 0 else len(self._pattern)]
        self.at = end + 2 if end >= 0 else len(self._pattern)
        if self.at < len(self._pattern) and self._pattern[self.at] in "*+?{":
            raise Unmeasured("repeats a quotation")
        return reduce(Extent.then, (self._literal(ord(character), fold=fold) for character in text), NOTHING)

    def _literal(self, point: int, *, fold: bool) -> Extent:
        character = chr(point)
        if point < 128 or self._latin1:
            mask = 1 << point
            if fold and character.isalpha():
                cases = {each for each in (character.lower(), character.upper()) if ord(each) < 128}
                mask |= _mask(cases) if cases else _ALL
                if character in "kKsS" and not self._latin1:  # the Kelvin sign and the long s fold to these
                    return one(mask | _HIGH, 3)
            return one(mask)
        length = LONGEST_CHARACTER if fold else len(character.encode(errors="surrogatepass"))
        return one(_ALL if fold else _HIGH, length)

    def _any(self) -> Extent:
        return one(_ALL, 1 if self._latin1 else LONGEST_CHARACTER)

    def _took(self, text: str) -> bool:
        if self._pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _folds(letters: str, *, fold: bool) -> bool:
    """Whether case is ignored after these flags."""
    on, _, off = letters.partition("-")
    return (fold or "i" in on) and "i" not in off
