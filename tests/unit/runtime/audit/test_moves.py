import asyncio

from regent_runtime.audit.moves import MOST_WAITING, Moves


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_waits_is_woken_by_the_next_move_alone() -> None:
    moves = Moves()
    waits = [asyncio.create_task(moves.beyond(0)) for _ in range(3)]
    await settled()
    moves.reach(0)
    await settled()
    assert not any(each.done() for each in waits)
    moves.reach(2)
    await settled()
    assert all(each.done() for each in waits)


async def test_who_knows_less_is_not_kept_waiting() -> None:
    moves = Moves()
    moves.reach(2)
    await moves.beyond(1)
    await moves.beyond(3)


async def test_one_more_than_may_wait_is_answered_at_once() -> None:
    moves = Moves()
    waits = [asyncio.create_task(moves.beyond(0)) for _ in range(MOST_WAITING)]
    await settled()
    await moves.beyond(0)
    assert not any(each.done() for each in waits)
    moves.end()
    await asyncio.gather(*waits)


async def test_at_the_end_nobody_waits() -> None:
    moves = Moves()
    moves.end()
    await moves.beyond(0)
