import json

from regent_runtime.wire.answer import AnswerWriter, Chunk, Usage


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
    assert json.loads(writer.usage("m", Usage(5, 2, 7, cached_tokens=4, reasoning_tokens=1)))["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
