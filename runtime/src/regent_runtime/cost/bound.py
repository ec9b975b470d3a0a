"""How many input tokens a request has at the most, where no tokenizer of the model is at hand.

Every token of a text stands for at least one byte of it: tokenizers begin with bytes, or with characters, and only
join them. What they may do before is normalise the text, which can lengthen it; so the longest form counts. A request's
JSON is longer than the texts in it, by more for each message than the special tokens that a chat template puts around
one.
"""

import unicodedata
from typing import Literal

UNSEEN_TOKENS = 1024
"""What a provider adds of its own: a template's head, a prompt in front of the request's, a longer one for tools."""
_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")


def input_tokens_at_most(body: bytes) -> int:
    """Of a request as it is sent. Text alone: an image's tokens do not follow from its bytes."""
    return UNSEEN_TOKENS + _longest(body)


def _longest(body: bytes) -> int:
    if body.isascii():
        return len(body)
    text = body.decode(errors="replace")
    forms = (unicodedata.normalize(form, text) for form in _FORMS)
    return max(len(body), *(len(form.encode(errors="surrogatepass")) for form in forms))
