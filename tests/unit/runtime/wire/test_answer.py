import json

import pytest

from regent_runtime.wire.answer import AnswerWriter, Chunk, MalformedAnswer, Usage, read


def answer(**choice: object) -> bytes:
    return json.dumps({"choices": [{"index": 0, **choice}]}).encode()


def test_an_answer_is_read() -> None:
    raw = json.dumps(
        {
            "id": "x",
            "choices": [{"index": 0, "message": {"content": "Hi", "reasoning": "hm"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 4},
        }
    )
    assert read(raw.encode()) == Chunk("Hi", "", "stop", Usage(1, 2, 3))


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, Usage(1, 2, 3)),
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(1, 2, 3)),
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": None}, Usage(1, 2, 3)),
        ({"prompt_tokens": 1.0, "completion_tokens": 2.0, "total_tokens": 3.0}, Usage(1, 2, 3)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0, 0)),
        ({"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}, None),
        ({"prompt_tokens": 1, "completion_tokens": 2.5}, None),
        ({"prompt_tokens": "1", "completion_tokens": 2}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1}, None),
        ({}, None),
        ([], None),
        ("many", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("choices", [[], [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]])
def test_no_answer_is_lost_for_its_figures(choices: list[object], reported: object, usage: Usage | None) -> None:
    chunk = read(json.dumps({"choices": choices, "usage": reported}).encode())
    assert (chunk.usage, chunk.content) == (usage, "Hi" if choices else "")


@pytest.mark.parametrize(("given", "read_as"), [("length", "length"), ("eos_token", "stop"), (None, None), ("", None)])
def test_only_known_finish_reasons_pass(given: str | None, read_as: str | None) -> None:
    assert read(answer(delta={"content": "x"}, finish_reason=given)).finish_reason == read_as


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b'{"choices":[{"index":1}]}', b'{"error":{}}', b'{"choices":[{},{}]}']
)
def test_what_is_no_answer_of_one_choice_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        read(raw)


def test_a_chunk_that_says_nothing_is_false() -> None:
    assert not read(answer(delta={"role": "assistant", "content": ""}))


def test_chunks_are_written_as_openai_writes_them() -> None:
    writer = AnswerWriter("t1", 5, include_usage=True)
    assert json.loads(writer.chunk("m", Chunk("Hi"), first=True)) == {
        "id": "chatcmpl-t1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "logprobs": None, "finish_reason": None}
        ],
        "usage": None,
    }
    assert json.loads(writer.usage("m", Usage(1, 2, 3)))["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
    }
