from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.wire.sse import LARGEST_EVENT, EventParser, MalformedStream, event

STREAM = b"\xef\xbb\xbfdata: one\n\n: comment\n\nevent: x\nid: 1\ndata:two\r\n\r\ndata: a\ndata: b\n\nretry: 5\n\ndata: \xef\xbb\xbf\n\ndata: [DONE]\n\ndata: cut"
EVENTS = [b"one", b"two", b"a\nb", b"\xef\xbb\xbf", b"[DONE]"]


def test_events_are_read() -> None:
    assert list(EventParser().feed(STREAM)) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_where_the_bytes_are_split_does_not_matter(cuts: list[int]) -> None:
    parser = EventParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    parts = [STREAM[begin:end] for begin, end in pairwise(edges)]
    assert [found for part in parts for found in parser.feed(part)] == EVENTS


PARTS = [b"data: one\n\n", b"data: two\n\ndata: \n\n", b"data: a\ndata: b\n\n", b": c\n\n", b"\n", b"data: x\n", b"data: y\r\n\r\n", b"data: z\r\n\n", b"data:q\n\n", b"id: 1\n\n"]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=12))
def test_parts_that_are_whole_events_are_read_as_their_bytes_are(parts: list[bytes]) -> None:
    at_once, byte_by_byte, whole = EventParser(), EventParser(), b"".join(parts)
    expected = [found for at in range(len(whole)) for found in byte_by_byte.feed(whole[at : at + 1])]
    assert [found for part in parts for found in at_once.feed(part)] == expected


def test_what_is_written_is_read() -> None:
    assert list(EventParser().feed(event(b'{"a":1}'))) == [b'{"a":1}']


@pytest.mark.parametrize("part", [b"data: " + b"x" * (LARGEST_EVENT + 1), (b"data: " + b"x" * 65_536 + b"\n") * 17])
def test_an_event_has_a_bound(part: bytes) -> None:
    with pytest.raises(MalformedStream):
        list(EventParser().feed(part))
