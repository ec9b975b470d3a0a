"""What the operator's process tells of its event loop."""

import asyncio
import logging
from typing import Any

import pytest

from regent_operator import app
from regent_operator.app import tell
from regent_operator.engine.access import ClusterAccess
from regent_operator.settings import parse_settings
from regent_operator.signing import Signer

GIVEN_UP = "Fatal error on SSL protocol"
CLOSED = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")


@pytest.mark.parametrize(
    ("context", "errors"),
    [
        ({"message": GIVEN_UP, "exception": CLOSED}, 0),
        ({"message": GIVEN_UP, "exception": OSError("broken pipe")}, 1),
        ({"message": "Task exception was never retrieved", "exception": CLOSED}, 1),
        ({"message": "Executing took long"}, 1),
    ],
)
async def test_a_connection_that_was_given_up_is_no_error(
    context: dict[str, Any], errors: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        tell(asyncio.get_running_loop(), context)
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == errors
    assert len(caplog.records) == 1


async def test_the_operator_s_loop_tells_so(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = []

    async def operator(**_: Any) -> None:
        handlers.append(asyncio.get_running_loop().get_exception_handler())

    monkeypatch.setattr("kopf.operator", operator)
    settings = parse_settings(["--namespace=n", "--runtime-image=i", "--signing-keys=/", "--metrics-port=0"])
    assert await app._run(settings, ClusterAccess("http://127.0.0.1:1"), Signer.new()) == 0
    assert handlers == [tell]
