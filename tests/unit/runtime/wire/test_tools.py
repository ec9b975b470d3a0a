from itertools import chain, zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.wire import tools
from regent_runtime.wire.answer import Chunk, MalformedAnswer, ToolCall
from regent_runtime.wire.tools import MOST_CALLS, Calls, calling, object_text

ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'


class Uncopied(str):
    """One that is added to another is copied with all that came before it: in the end, as often as there are pieces."""

    __slots__ = ()

    def __add__(self, other: Any) -> str:
        raise AssertionError

    __radd__ = __add__


BOTH = (ToolCall("weather", {"city": "Rome"}), ToolCall("weather", {"city": "Oslo"}))
Piece = tuple[int | None, str | None, str | None, str | None]


def called(*pieces: Piece) -> tuple[ToolCall, ...]:
    calls = Calls()
    for piece in pieces:
        calls.add(*piece)
    return calls.whole()


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([(0, "a", "weather", ROME), (1, "b", "weather", OSLO)], id="whole"),
        pytest.param(
            [
                (0, "a", "weather", ""),
                (0, None, None, ROME[:5]),
                (0, None, None, ROME[5:]),
                (1, "b", "weather", ""),
                (1, None, None, OSLO),
            ],
            id="as OpenAI streams them",
        ),
        pytest.param(
            [
                (0, "a", "weather", ""),
                (1, "b", "weather", ""),
                (0, None, None, ROME[:5]),
                (1, None, None, OSLO[:5]),
                (0, None, None, ROME[5:]),
                (1, None, None, OSLO[5:]),
            ],
            id="in turns",
        ),
        pytest.param(
            [(0, "a", "weather", ROME[:5]), (0, None, None, ROME[5:]), (0, "b", "weather", OSLO)],
            id="all indexes zero",
        ),
        pytest.param([(None, "a", "weather", ROME), (None, "b", "weather", OSLO)], id="no indexes"),
        pytest.param(
            [(0, "a", "weather", ROME[:5]), (0, "a", "weather", ROME[5:]), (0, "b", "weather", OSLO)],
            id="id and name each time",
        ),
        pytest.param(
            [(0, None, "weather", ROME[:5]), (0, None, None, ROME[5:]), (1, None, "weather", OSLO)], id="no ids"
        ),
        pytest.param([(0, None, "weather", ROME), (0, None, "weather", OSLO)], id="neither ids nor indexes"),
        pytest.param(
            [(0, None, "weather", ROME), (0, None, None, " "), (0, None, "weather", OSLO)], id="blanks between"
        ),
        pytest.param([(0, "a", "weather", ROME), (0, "", None, None), (1, "b", "weather", OSLO)], id="empty ids"),
        pytest.param([(0, "a", "weather", ROME), (1, "a", "weather", OSLO)], id="one id for all"),
        pytest.param(
            [
                (0, "a", "weather", ROME[:5]),
                (0, "a", None, ROME[5:]),
                (1, "a", "weather", ""),
                (1, "a", None, OSLO[:5]),
                (1, None, None, OSLO[5:]),
            ],
            id="one id for all, in pieces",
        ),
        pytest.param(
            [(0, "a", "weather", ROME[:5]), (1, "a", "weather", ROME[5:]), (2, "b", "weather", OSLO)],
            id="an index for each piece",
        ),
    ],
)
def test_pieces_become_calls(pieces: list[Piece]) -> None:
    assert called(*pieces) == BOTH


def test_two_names_are_two_calls() -> None:
    assert called((0, None, "weather", ""), (0, None, "time", "")) == (ToolCall("weather", {}), ToolCall("time", {}))


def test_no_arguments_are_an_empty_object() -> None:
    assert called((0, "a", "time", None)) == called((0, "a", "time", " ")) == (ToolCall("time", {}),)


@pytest.mark.parametrize("arguments", ["{", "[]", '"{}"', "null", "{}{}", "[" * 10_000, '{"a":' * 64 + "1" + "}" * 64])
def test_arguments_that_are_no_object_are_malformed(arguments: str) -> None:
    with pytest.raises(MalformedAnswer):
        called((0, "a", "weather", arguments))


def test_a_call_without_a_name_is_malformed() -> None:
    with pytest.raises(MalformedAnswer):
        called((0, "a", None, "{}"))


def test_calls_are_bounded() -> None:
    calls = Calls()
    for number in range(MOST_CALLS):
        calls.add(number, None, "f", "")
    with pytest.raises(MalformedAnswer):
        calls.add(MOST_CALLS, None, "f", "")


@pytest.mark.parametrize("reason", ["stop", "tool_calls"])
def test_an_answer_that_calls_ends_with_it_however_its_server_says_so(reason: str) -> None:
    calls = Calls()
    calls.add(0, "a", "time", "{}")
    ended = Chunk(finish_reason="tool_calls", tool_calls=(ToolCall("time", {}),))
    assert calling(Chunk(finish_reason=reason), calls) == ended


@pytest.mark.parametrize("reason", [None, "length", "content_filter"])
def test_half_an_answer_calls_nothing(reason: str | None) -> None:
    calls = Calls()
    calls.add(0, "a", "time", "{")
    assert calling(Chunk("x", finish_reason=reason), calls) == Chunk("x", finish_reason=reason)


def test_calls_that_do_not_come_are_malformed() -> None:
    with pytest.raises(MalformedAnswer):
        calling(Chunk(finish_reason="tool_calls"), Calls())


OBJECTS = st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.integers(-9, 9) | st.none(), max_size=3)


@given(st.lists(OBJECTS, min_size=1, max_size=4), st.lists(st.integers(1, 9), min_size=1), st.booleans())
def test_calls_do_not_depend_on_how_they_were_cut(
    objects: list[dict[str, Any]], sizes: list[int], in_turns: bool
) -> None:
    streams: list[list[Piece]] = []
    for number, each in enumerate(objects):
        text, at, pieces = object_text(each), 0, list[Piece]([(number, f"c{number}", f"f{number}", "")])
        while at < len(text):
            size = sizes[at % len(sizes)]
            pieces.append((number, None, None, text[at : at + size]))
            at += size
        streams.append(pieces)
    ordered = (
        [piece for turn in zip_longest(*streams) for piece in turn if piece] if in_turns else list(chain(*streams))
    )
    assert called(*ordered) == tuple(ToolCall(f"f{number}", each) for number, each in enumerate(objects))


@pytest.mark.parametrize("name", [None, "weather"])
def test_arguments_are_put_together_once(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where each piece names its function: whether it begins another call is asked of what may be whole alone."""
    looked, is_object = list[str](), tools._is_object
    monkeypatch.setattr(tools, "_is_object", lambda text: looked.append(text) or is_object(text))
    city = ["{", '"city": "', *["Ro"] * 1000, '"', " ", "}"]
    pieces = [(0, None, name, Uncopied(piece)) for piece in city]
    (call,) = called((0, None, "weather", None), *pieces)
    assert call == ToolCall("weather", {"city": "Ro" * 1000})
    assert looked == []
