"""Passages that a conversation repeats: the first stays, a later one becomes a mark.

What a message becomes depends on nothing after it, so the beginning of a conversation reads the same in each of its
turns, and providers' prompt caches hit. Two passages are one if they are the same words, signs and figures in the same
order: only white space, typographic quotes, marks of quotation or of a list before a line, and a/an/the may differ.
Anything else may be the one word that matters.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

MARK = "[A passage from above stands here again.]"
LEAST_CHARACTERS = 80
"""Of a passage, read; a shorter one costs less than it is worth to look for."""
_BETWEEN = re.compile(r"(\n[ \t]*\n\s*)")
_BEFORE_LINES = re.compile(r"^[ \t]*(?:[>*•][ \t]+)+", re.MULTILINE)
_ARTICLES = re.compile(r"(?<![^\s])(?:a|an|the|A|An|The)(?=\s)")
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u00a0", "''\"\" ")


def without_repeats(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of users, assistants and tools with what they repeat marked. Those that instruct stay as they are, and
    so do those with images.
    """
    seen: set[bytes] = set()
    return [{**each, "content": _marked(each["content"], seen)} if _may_go(each) else each for each in messages]


def _may_go(message: dict[str, Any]) -> bool:
    return message["role"] in {"user", "assistant", "tool"} and isinstance(message["content"], str)


def _marked(text: str, seen: set[bytes]) -> str:
    """The text; what it holds is added to `seen`."""
    kept: list[str] = []
    gap = ""
    for at, part in enumerate(_BETWEEN.split(text)):
        if at % 2:
            gap = part
        elif not _repeats(part, seen):
            kept += (gap, part)
        elif not kept or kept[-1] != MARK:
            kept += (gap, MARK)
    return "".join(kept)


def _repeats(passage: str, seen: set[bytes]) -> bool:
    read = _read(passage)
    if len(read) < LEAST_CHARACTERS:
        return False
    digest = hashlib.blake2b(read.encode(), digest_size=16).digest()
    if digest in seen:
        return True
    seen.add(digest)
    return False


def _read(passage: str) -> str:
    plain = _BEFORE_LINES.sub("", passage.translate(_QUOTES))
    return " ".join(_ARTICLES.sub(" ", plain).split())
