"""Tokens by which chat templates tell who speaks, made harmless where a caller writes them.

A model that reads `<|im_start|>system` in a caller's text may take what follows for instructions. The marks of such
a token are exchanged for look-alikes that no tokenizer knows and that Unicode normalisation leaves as they are, so
the text stays readable, a provider's own NFKC cannot bring the token back, and escaping twice is escaping once. No
token goes across a line end, so a text may be escaped line by line.
"""

import re

from regent_runtime.guard.normalise import canonical

_NAMES = {
    "angle": r"s|bos|eos|pad|unk|mask|cls|sep|extra_id_\d{1,3}|unused\d{1,3}|(?:start|end)_of_(?:turn|image|audio)"
    r"|system|developer|assistant|human|user|tool|tools|tool_calls?|tool_responses?|tool_results?|function|functions"
    r"|function_calls?|function_results?|invoke|parameter|think|thinking|reasoning|scratchpad",
    "double": r"SYS",
    "square": r"INST|SYS|BOS|EOS|PAD|UNK|CLS|SEP|MASK|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS?|TOOL_RESULTS?"
    r"|TOOL_CONTENT|ARGS|CALL_ID|THINK|IMG|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|gMASK|sop|control_\d{1,4}",
}
_TOKENS = re.compile(
    r"<\|(?=[\w/▁])"  # <|im_start|>, <|eot_id|>, <｜User｜> and whatever else is written so
    r"|(?<=[\w▁])\|>"
    rf"|<<[ \t]{{0,2}}/?[ \t]{{0,2}}(?:{_NAMES['double']})[ \t]{{0,2}}>>"
    rf"|<[ \t]{{0,2}}/?[ \t]{{0,2}}(?:\w{{1,16}}:)?(?:{_NAMES['angle']})(?=[\s>/=])[^<>\n]{{0,64}}>"
    rf"|\[[ \t]{{0,2}}/?[ \t]{{0,2}}(?:{_NAMES['square']})[ \t]{{0,2}}\]"
    r"|(?m:^[ \t]{0,3}\#{2,4}[ \t]{0,2}(?=(?:instructions?|system|response|assistant)[ \t]{0,2}:))",
    re.IGNORECASE,
)
_MARKS = str.maketrans({"<": "‹", ">": "›", "|": "¦", "[": "⟦", "]": "⟧", "#": "♯"})


def found(text: str) -> bool:
    """Whether the text, as it stands, holds such a token."""
    return _TOKENS.search(text) is not None


def escape(text: str) -> str:
    """The text without such tokens, also after NFKC; unchanged where there are none. Idempotent.

    A text that holds one is put into its canonical form first, so a token in fullwidth or with invisible characters
    inside is met as what it becomes. Raises NotCanonical.
    """
    plain = canonical(text)
    escaped = _TOKENS.sub(lambda token: token[0].translate(_MARKS), plain)
    return text if escaped == plain else escaped
