"""Placeholders of an answer back into what they stand for, as the answer comes.

The last stage before the caller: guards, cache and audit see placeholders. A placeholder that a model altered stays as
it is, and so does every one whose caller may not read what stands behind it.
"""

import re
from collections.abc import Mapping

import msgspec

from regent_runtime.access.placeholders import QUOTED, SHAPE
from regent_runtime.wire.answer import Chunk, ToolCall
from regent_runtime.wire.strings import replaced

_ANY = re.compile(SHAPE)


def visible(originals: Mapping[str, str], *, may_read: bool) -> Mapping[str, str]:
    """What a caller gets back: all, or only what it wrote in the shape of a placeholder, which is no personal data."""
    if may_read:
        return originals
    return {given: original for given, original in originals.items() if given.startswith(f"[{QUOTED}_")}


class Restored:
    """An answer with its placeholders restored; the text does not depend on where it was cut into chunks."""

    def __init__(self, originals: Mapping[str, str]) -> None:
        self._originals = originals
        self._content, self._refusal = Restoration(originals), Restoration(originals)

    def let(self, chunk: Chunk) -> Chunk | None:
        """What goes on now that a chunk has come; None: nothing."""
        last = chunk.finish_reason is not None
        lifted = msgspec.structs.replace(
            chunk,
            content=self._content.feed(chunk.content, last=last),
            refusal=self._refusal.feed(chunk.refusal, last=last),
            tool_calls=tuple(_restored_call(call, self._originals) for call in chunk.tool_calls),
        )
        return lifted if lifted or not chunk else None


def _restored_call(call: ToolCall, originals: Mapping[str, str]) -> ToolCall:
    arguments = replaced(call.arguments, lambda text: Restoration(originals).feed(text, last=True))
    return ToolCall(call.name, arguments)


class Restoration:
    """Restores one text that comes in parts; what may be the beginning of a placeholder waits for the next part."""

    def __init__(self, originals: Mapping[str, str]) -> None:
        self._originals = originals
        self._held = ""

    def feed(self, part: str, *, last: bool) -> str:
        """What can be let go. `last`: no part follows, so nothing is held."""
        if not self._held and "[" not in part:
            return part
        text = self._held + part
        cut = len(text) if last else self._begun(text)
        self._held = text[cut:]
        return _ANY.sub(self._original, text[:cut])

    def _begun(self, text: str) -> int:
        """Where a placeholder begins that the next part may complete, the end where there is none. It has a bracket."""
        at = text.rindex("[")
        return at if any(given.startswith(text[at:]) for given in self._originals) else len(text)

    def _original(self, match: re.Match[str]) -> str:
        return self._originals.get(match[0], match[0])
