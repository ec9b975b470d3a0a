"""Tokens by which chat templates tell who speaks, made harmless where a caller writes them.

A model that reads `<|im_start|>system` in a caller's text may take what follows for instructions. The marks of such
a token are exchanged for look-alikes that no tokenizer knows and that Unicode normalisation leaves as they are, so
the text stays readable, a provider's own NFKC cannot bring the token back, and escaping twice is escaping once. No
token goes across a line end, so a text may be escaped line by line.
"""

import re
from collections.abc import Callable
from functools import partial

import re2

from regent_runtime.guard.normalise import canonical, normal
from regent_runtime.guard.searching import finder

_SPACE = r"[ \t]{0,2}"
_MARKERS = (
    r"s|bos|eos|pad|unk|mask|cls|sep|extra_id_\d{1,3}|unused\d{1,3}|(?:start|end)_of_(?:turn|image|audio)"
    r"|system|developer|assistant|human|user|think|thinking|reasoning|scratchpad"
)
_TAGS = (
    r"tool|tools|tool_calls?|tool_responses?|tool_results?|function|functions|function_calls?|function_results?"
    r"|invoke|parameter"
)
_SQUARE = (
    r"INST|SYS|BOS|EOS|PAD|UNK|CLS|SEP|MASK|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS?|TOOL_RESULTS?|TOOL_CONTENT|ARGS"
    r"|CALL_ID|THINK|IMG|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|gMASK|sop|control_\d{1,4}"
)
_TOKENS = re.compile(
    r"<\|(?=[\w/▁])"  # <|im_start|>, <|eot_id|>, <｜User｜> and whatever else is written so
    r"|\|>(?<=[\w▁]\|>)"
    rf"|<<{_SPACE}/?{_SPACE}SYS{_SPACE}>>"
    rf"|<(?={_SPACE}/?{_SPACE}(?:{_MARKERS}){_SPACE}/?>)"
    rf"|<(?={_SPACE}/?{_SPACE}(?:\w{{1,16}}:)?(?:{_TAGS})[\s>/=])"
    rf"|\[{_SPACE}/?{_SPACE}(?:{_SQUARE}){_SPACE}\]"
    rf"|\#\#{{1,3}}{_SPACE}(?=(?:instructions?|system|response|assistant){_SPACE}:)",
    re.IGNORECASE,
)
"""No match holds a character that it leaves open, so marks that are exchanged never make a new one."""


def _without_looks(pattern: str) -> str:
    """For RE2, which finds with it whatever the pattern finds in ASCII.

    Nothing is looked at behind, and what is looked at ahead is part of the match.
    """
    ahead = re.sub(r"\(\?<=.*?\)", "", pattern).replace("(?=", "(?:")
    return "(?i)" + ahead.replace(r"\s", r"\x00-\x20")


_MAYBE = finder(re2.compile(_without_looks(_TOKENS.pattern).encode()))
"""For texts (nearly all) that hold nothing like a token: RE2 reads them several times as fast."""
_MARKS = str.maketrans({"<": "‹", ">": "›", "|": "¦", "[": "⟦", "]": "⟧", "#": "♯"})
BREAK = re.compile(
    r"[\n!\"$%&'()*+,.;?@\\^`{}~\-。、]|(?<=[A-Za-z0-9])[ ](?=[A-Za-z0-9])|(?<=[A-Za-z0-9]{32})(?=[A-Za-z0-9]{32})"
    r"|(?<=[A-Za-z0-9])(?=<)|(?<=>)(?=[A-Za-z0-9 <])"
)
"""Where a match ends, a text may be cut: no token holds such a mark, two words, a word so long, or the end of a tag."""


def found(text: str) -> bool:
    """Whether the text, as it stands, holds such a token."""
    if text.isascii() and not _MAYBE(text.encode(), 0):
        return False
    return _TOKENS.search(text) is not None


def escape(text: str) -> str:
    """The text without such tokens: as it stands, after NFKC, and in canonical form. Idempotent.

    Unchanged where it holds none; otherwise it is put into the form in which it does, so a token in fullwidth or with
    invisible characters inside is met as what it becomes. Raises NotCanonical.
    """
    for form in _FORMS[:1] if text.isascii() else _FORMS:
        plain = form(text)
        escaped = _TOKENS.sub(_exchanged, plain)
        if escaped != plain:
            text = escaped
    return text


def _exchanged(token: re.Match[str]) -> str:
    return token[0].translate(_MARKS)


_FORMS: tuple[Callable[[str], str], ...] = (str, partial(normal, "NFKC"), canonical)
"""What is invisible may keep a mark from composing with an accent, so no form holds all tokens of the others."""
