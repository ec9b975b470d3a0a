"""What stands in the place of personal data while a model reads and writes: `[EMAIL_1_bcdfghjk]`.

The last part is a nonce of the conversation. A document cannot know it, so no text that a model reads from elsewhere
can ask for a value by its placeholder; and what a caller writes in this shape is itself taken out (kind QUOTED), so in
what a model reads every placeholder is ours. Letters and short numbers only: no detector takes one for personal data.
"""

import hashlib
import re

from regent_api.policy import Detector

QUOTED = "QUOTED"
"""The kind of what the caller wrote in the shape of a placeholder."""
KINDS = {detector: detector.value.upper() for detector in Detector}
MOST_OF_A_KIND = 9999
"""What four digits tell apart."""
NONCE_LETTERS = 8
SHAPE = r"\[(?:" + "|".join((QUOTED, *sorted(KINDS.values()))) + r")_[0-9]{1,4}_[a-z]{" + str(NONCE_LETTERS) + r"}\]"
"""Any placeholder, of whatever conversation."""
_LETTERS = "bcdfghjklmnpqrstvwxz"
"""Consonants: no word of a language, and no hexadecimal number, comes out."""
_EXACT = re.compile(SHAPE)


def nonce(secret: str) -> str:
    """Eight letters (34 bits) for a conversation's secret: the same in each of its turns, and not telling it."""
    number = int.from_bytes(hashlib.sha256(b"regent placeholder\0" + secret.encode()).digest())
    letters = []
    for _ in range(NONCE_LETTERS):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "".join(letters)


def placeholder(kind: str, number: int, nonce: str) -> str:
    return f"[{kind}_{number}_{nonce}]"


def is_placeholder(text: str) -> bool:
    return _EXACT.fullmatch(text) is not None
