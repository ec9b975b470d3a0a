"""What is held of requests' bodies comes back with the end of what they came in."""

from typing import Any

from regent_runtime.dialect.chat_completions.dialect import ChatCompletions
from regent_runtime.limits.bodies import Bodies
from regent_runtime.serve.batch import _PartRequest
from regent_runtime.serve.http import Scope, headers
from regent_runtime.serve.turns import Request


def scope(*stated: tuple[bytes, bytes]) -> Scope:
    return {"headers": list(stated)}


async def _receive() -> Any:
    raise AssertionError("nothing is read")


def test_a_turns_body_is_held_until_it_has_ended() -> None:
    bodies = Bodies()
    share = bodies.share()
    share.take(5)
    Request(scope(), _receive, share, ChatCompletions()).end()
    assert bodies.held == 0


def test_a_batchs_body_is_held_until_all_its_turns_have_ended() -> None:
    bodies = Bodies()
    with bodies.share() as share:
        share.take(5)
        _PartRequest(scope(), _receive, share, b"{}").end()
        assert bodies.held == 5
    assert bodies.held == 0


def test_a_header_that_was_sent_twice_is_read_as_one_however_often_it_is_asked() -> None:
    asked = scope((b"authorization", b"Bearer a"), (b"host", b"x"), (b"authorization", b"Bearer b"))
    for _ in range(2):
        assert headers(asked) == {b"authorization": "Bearer a, Bearer b", b"host": "x"}
