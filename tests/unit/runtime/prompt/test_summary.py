from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.limits.estimate import estimate
from regent_runtime.prompt.exchanges import Exchange
from regent_runtime.prompt.repeats import without_repeats
from regent_runtime.prompt.summary import asking, clipped, placed, sliced, taken, transcript
from regent_runtime.prompt.weight import of_message
from regent_runtime.wire.answer import Chunk, Usage
from regent_runtime.wire.images import Image
from regent_runtime.wire.request import ChatRequest

TURN = ChatRequest([], True, True, 900, 0.3, {"stop": "x", "tools": [{}], "reasoning_effort": "low"})


def test_a_summary_is_asked_for_plainly_without_tools_and_under_its_own_instructions() -> None:
    made = asking("They met.", "user: And then?", 64, TURN)
    assert made.messages == [
        {"role": "user", "content": "Before that:\nThey met.\n\nThe conversation:\nuser: And then?"}
    ]
    assert (made.stream, made.max_output_tokens, made.forwarded) == (False, 64, {"reasoning_effort": "low"})
    assert made.instructions is not None
    assert made.instructions.startswith("You shorten")


def test_only_a_text_that_ended_by_itself_or_at_its_cap_is_a_summary() -> None:
    assert taken([Chunk("They met. "), Chunk(finish_reason="stop", usage=Usage(1, 1, 2))], 50) == "They met."
    assert taken([Chunk("They", finish_reason="length")], 50) == "They"
    assert taken([Chunk("They", finish_reason="content_filter")], 50) == ""
    assert taken([Chunk("They")], 50) == ""
    assert taken([Chunk(refusal="No.", finish_reason="stop")], 50) == ""


def test_a_transcript_tells_who_said_and_called_what() -> None:
    call = {"id": "call_0", "name": "stock", "arguments": {"at": "Riga"}}
    messages = [
        {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "4200", "tool_call_id": "call_0"},
    ]
    assert transcript([Exchange(messages)]) == ('user: How many?\nassistant calls stock with {"at":"Riga"}\ntool: 4200')


def test_what_stands_for_the_old_exchanges_keeps_users_and_assistants_taking_turns() -> None:
    assert [message["role"] for message in placed("They met.")] == ["user", "assistant"]
    assert placed("They met.")[0]["content"].endswith("They met.")


@given(st.text(max_size=2000), st.integers(10, 200))
def test_slices_are_the_text_and_each_is_short_enough(text: str, most: int) -> None:
    parts = list(sliced(text, most))
    assert "".join(parts) == text
    assert all(estimate(part) <= most or len(part) < 2 for part in parts)


@given(st.text(max_size=2000), st.integers(0, 200))
def test_a_clipped_text_is_short_enough_and_its_beginning(text: str, most: int) -> None:
    short = clipped(text, most)
    assert text.startswith(short)
    assert estimate(short) <= most


def test_of_an_image_only_that_there_was_one_is_told() -> None:
    image = Image("image/png", "AAAA", 560, 28, "d")
    message = {"role": "user", "content": ["Look:", image]}
    assert transcript([Exchange([message])]) == "user: Look: [an image]"
    assert of_message(message) >= image.estimate == 20
    assert without_repeats([message, message]) == [message, message]
