"""Text into the pieces of words that BERT's uncased models read (WordPiece; Devlin et al., 2018).

`wordpieces.txt` is the vocabulary of all-MiniLM-L6-v2 (Apache-2.0): a line's number is the piece's.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

MOST_PIECES = 128
"""With the two that frame them; the rest of a text is not read."""
LONGEST_WORD = 100
_BEGIN, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


@cache
def vocabulary() -> Mapping[str, int]:
    text = files("regent_runtime.cache").joinpath("wordpieces.txt").read_text(encoding="utf-8")
    return {piece: number for number, piece in enumerate(text.rstrip("\n").split("\n"))}


def pieces(text: str) -> list[int]:
    """The numbers of a text's pieces."""
    known = vocabulary()
    found = [known[_BEGIN]]
    for word in _words(text):
        found += [known[piece] for piece in _pieces_of(word, known)]
        if len(found) >= MOST_PIECES - 1:
            break
    return [*found[: MOST_PIECES - 1], known[_END]]


def _words(text: str) -> Iterator[str]:
    """Lower case, without accents; each sign and each ideograph by itself."""
    plain = unicodedata.normalize("NFD", "".join(_cleaned(text)).lower())
    word = ""
    for letter in plain:
        kind = unicodedata.category(letter)
        if kind == "Mn":
            continue
        if letter.isspace() or _is_sign(letter, kind):
            if word:
                yield word
            word = ""
            if not letter.isspace():
                yield letter
        else:
            word += letter
    if word:
        yield word


def _cleaned(text: str) -> Iterator[str]:
    for letter in text:
        if letter in "\t\n\r" or unicodedata.category(letter) == "Zs":
            yield " "
        elif _is_ideograph(ord(letter)):
            yield f" {letter} "
        elif letter not in "\0\ufffd" and not unicodedata.category(letter).startswith("C"):
            yield letter


def _is_sign(letter: str, kind: str) -> bool:
    return kind.startswith("P") or (letter.isascii() and not letter.isalnum() and not letter.isspace())


def _is_ideograph(point: int) -> bool:
    return (
        0x4E00 <= point <= 0x9FFF
        or 0x3400 <= point <= 0x4DBF
        or 0xF900 <= point <= 0xFAFF
        or 0x20000 <= point <= 0x2CEAF
    )


def _pieces_of(word: str, known: Mapping[str, int]) -> list[str]:
    """The longest pieces that are known, from the left; one unknown piece where none fits."""
    if len(word) > LONGEST_WORD:
        return [_UNKNOWN]
    found = []
    at = 0
    while at < len(word):
        end = len(word)
        while end > at:
            piece = word[at:end] if at == 0 else f"##{word[at:end]}"
            if piece in known:
                break
            end -= 1
        if end == at:
            return [_UNKNOWN]
        found.append(piece)
        at = end
    return found
