"""Server-sent events (WHATWG HTML, section 9.2), as far as model APIs use them: `data` lines, comments, blank lines.

Lines end with LF or CRLF. A lone CR, which the standard permits too, ends none: no model API is known to send it.
"""

from collections.abc import Iterable, Iterator

LARGEST_EVENT = 1_048_576
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class MalformedStream(Exception):  # noqa: N818
    """The bytes are no event stream, or one event is larger than LARGEST_EVENT."""


class EventParser:
    """Takes bytes as they arrive and gives the data of each event that is complete."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._begun = False

    def feed(self, part: bytes) -> Iterable[bytes]:
        """The data of the events that this part completes. Raises MalformedStream, at once or when it comes to it."""
        is_whole = part[-2:] == b"\n\n" and b"\r" not in part and len(part) <= LARGEST_EVENT
        if is_whole and self._begun and not self._rest and not self._data:
            if part[:6] == b"data: " and part.find(b"\n") == len(part) - 2:
                return (part[6:-2],)
            events = part[:-2].split(b"\n\n")
            for each in events:
                if each[:6] != b"data: " or b"\n" in each:
                    return self._events(part)
            return [each[6:] for each in events]  # one line each, as most of them come
        return self._events(part)

    def _events(self, part: bytes) -> Iterator[bytes]:
        self._rest += part
        if b"\n" in part:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
        else:
            lines = []
        if len(self._rest) > LARGEST_EVENT:
            raise MalformedStream
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if not self._begun:
                line = line.removeprefix(_BYTE_ORDER_MARK)
                self._begun = True
            if line.startswith(b"data:"):
                self._add(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data, self._size = [], 0

    def _add(self, data: bytes) -> None:
        self._size += len(data) + 1
        if self._size > LARGEST_EVENT:
            raise MalformedStream
        self._data.append(data)


def event(data: bytes) -> bytes:
    """One event whose data is a single line."""
    return b"data: " + data + b"\n\n"


KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: clients read over it, and nothing between them and us takes the connection for dead."""
DONE_DATA = b"[DONE]"
DONE = event(DONE_DATA)
