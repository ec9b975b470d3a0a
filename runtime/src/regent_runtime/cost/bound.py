"""How many input tokens a request has at the most, where no tokenizer of the model is at hand.

Every token of a text stands for at least one byte of it: tokenizers begin with bytes, or with characters, and only
join them. What they may do before is normalise the text, which can lengthen it; so the longest form counts. A request's
JSON is longer than the texts in it, by more for each message than the special tokens that a chat template puts around
one.
"""

from unicodedata import normalize

UNSEEN_TOKENS = 1024
"""What a provider adds of its own: a template's head, a prompt in front of the request's, a longer one for tools."""
LONG_FORMS = b"\xef\xb7"
"""How letters of a block begin of which one, U+FDFA, grows from three bytes to 33; elsewhere none grows sevenfold."""


def input_tokens_at_most(body: bytes) -> int:
    """Of a request as it is sent. Text alone: an image's tokens do not follow from its bytes (see pictures)."""
    return UNSEEN_TOKENS + _longest(body)


def _longest(body: bytes) -> int:
    """Bytes of the longest normal form, or more. Composing only shortens what decomposing has lengthened."""
    if body.isascii():
        return len(body)
    if LONG_FORMS in body:  # so short a text has so long a form that it takes too long to make
        return 11 * len(body)
    text = body.decode(errors="replace")
    return max(len(body), len(normalize("NFD", text).encode()), len(normalize("NFKD", text).encode()))
