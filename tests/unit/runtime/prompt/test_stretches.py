from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.prompt.exchanges import Exchange, exchanges
from regent_runtime.prompt.stretches import stretches
from regent_runtime.prompt.weight import of_messages

CALL = {"id": "call_0", "name": "look", "arguments": {}}


def message(role: str, words: int = 1, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": "word " * words, **more}


def test_an_exchange_begins_with_each_user_message_and_holds_calls_with_their_results() -> None:
    called, result = message("assistant", tool_calls=[CALL]), message("tool", tool_call_id="call_0")
    told = message("system")
    first = [message("user", 1), called, result, message("assistant", 2)]
    last = [message("user", 3)]
    assert exchanges([told, *first, *last]) == ([told], [Exchange(first), Exchange(last)])


def test_what_an_assistant_says_first_is_an_exchange_of_its_own() -> None:
    hello, question = message("assistant"), message("user")
    assert exchanges([hello, question]) == ([], [Exchange([hello]), Exchange([question])])
    assert exchanges([message("system")]) == ([message("system")], [])


def test_what_fits_is_in_no_stretch() -> None:
    history = [Exchange([message("user", 10), message("assistant", 10)]) for _ in range(3)]
    assert stretches(history, 1000, 50) == []


def test_an_overflow_leaves_half_of_the_room() -> None:
    history = [Exchange([message("user", 50), message("assistant", 50)]) for _ in range(10)]
    size = of_messages(history[0].messages)
    ends = stretches(history[:9], size * 8, 0)
    assert ends == [5], "the ninth overflows, and with it four are left"


def test_the_last_exchange_is_in_no_stretch_however_long_it_is() -> None:
    history = [Exchange([message("user", 5)]), Exchange([message("user", 500)])]
    assert stretches(history, 100, 20) == [1]


sizes = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60), st.booleans()), min_size=1, max_size=30)


def conversation(turns: list[tuple[int, int, bool]]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for asked, answered, calls in turns:
        made.append(message("user", asked))
        if calls:
            made += [message("assistant", tool_calls=[CALL]), message("tool", answered, tool_call_id="call_0")]
        made.append(message("assistant", answered))
    return made


@given(sizes, st.integers(60, 600), st.integers(10, 60))
def test_stretches_of_a_turn_are_those_of_the_turn_before_and_perhaps_one_more(
    turns: list[tuple[int, int, bool]], room: int, summary: int
) -> None:
    whole = conversation(turns)
    asked = [at + 1 for at, each in enumerate(whole) if each["role"] != "assistant"]
    before: list[int] = []
    for end in asked:
        _, history = exchanges(whole[:end])
        ends = stretches(history, room, summary)
        assert ends[: len(before)] == before
        assert all(0 < each < len(history) for each in ends)
        left = of_messages(each for exchange in history[ends[-1] if ends else 0 :] for each in exchange.messages)
        last = of_messages(history[-1].messages)
        assert left + (summary if ends else 0) <= room or left == last
        before = ends
