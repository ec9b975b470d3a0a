"""Tokens of a text, before any model's tokenizer has seen it.

An estimate, since each provider counts with a tokenizer of its own. It is made from counts of characters by class, so
it costs microseconds a kilobyte; docs/reference/tokens.md has its calibration and its error.
"""

import string

TOKENS_PER_MESSAGE = 4
"""The role and the marks around a message in common chat templates."""
PER_SMALL_LETTER = 0.2
"""Spaces count as small letters: common tokenizers join them to the word that follows."""
PER_CAPITAL = 0.3
PER_DIGIT = 0.8
PER_MARK = 0.6
"""Punctuation, line ends, control characters."""
PER_HIGH_BYTE = 0.36
"""Bytes of UTF-8 beyond ASCII."""
LONG_WORD = 12
PER_LETTER_OF_LONG_WORDS = 0.33
"""More, for letters that no word of a language holds together: base64, random strings."""

_SMALL, _CAPITAL, _DIGIT, _HIGH, _MARK = b"sCdhm"
_CLASSES = bytes(
    _HIGH
    if byte > 127
    else _SMALL
    if chr(byte) in string.ascii_lowercase + " "
    else _CAPITAL
    if chr(byte) in string.ascii_uppercase
    else _DIGIT
    if chr(byte) in string.digits
    else _MARK
    for byte in range(256)
)


def estimate(text: str) -> int:
    """Tokens of a text."""
    classes = text.encode().translate(_CLASSES)
    small, capitals, digits = classes.count(_SMALL), classes.count(_CAPITAL), classes.count(_DIGIT)
    high = classes.count(_HIGH)
    marks = len(classes) - small - capitals - digits - high
    beyond_words = max(0, small + capitals - LONG_WORD * len(text.split()))
    return round(
        small * PER_SMALL_LETTER
        + capitals * PER_CAPITAL
        + digits * PER_DIGIT
        + marks * PER_MARK
        + high * PER_HIGH_BYTE
        + beyond_words * PER_LETTER_OF_LONG_WORDS
    )
