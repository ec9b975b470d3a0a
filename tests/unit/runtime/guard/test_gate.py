import pytest

from regent_runtime.guard.gate import Open, passed
from regent_runtime.wire.answer import Chunk
from regent_runtime.withheld import Withheld


class _Shut(Open):
    async def let(self, chunk: Chunk) -> Chunk | None:
        raise Withheld("No.")


class _Deaf(Open):
    ended = False

    async def let(self, chunk: Chunk) -> Chunk | None:
        return None

    def end(self) -> None:
        _Deaf.ended = True


async def test_a_whole_answer_passes_as_a_stream_does() -> None:
    answer = Chunk("Hi", finish_reason="stop")
    assert [each async for each in passed(answer, Open)] == [answer]
    assert [each async for each in passed(answer, _Deaf)] == []
    assert _Deaf.ended
    with pytest.raises(Withheld):
        [each async for each in passed(answer, _Shut)]
