import asyncio

import pytest

from regent_operator.engine.errors import ApiError
from regent_operator.engine.together import together


async def test_results_come_in_order() -> None:
    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return turns

    assert await together(map(after, (3, 0, 1))) == [3, 0, 1]


async def test_the_first_error_is_raised_as_it_is_and_nothing_runs_on() -> None:
    ended: list[str] = []

    async def fails() -> None:
        raise ApiError(503, "Unavailable", "not now")

    async def works() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("works")

    with pytest.raises(ApiError, match="not now"):
        await together([works(), fails()])
    assert ended == ["works"]
