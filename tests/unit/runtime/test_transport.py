"""Whom nothing is sent to, whatever stands in the config, and an answer that is read whole."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from regent_runtime.addresses import DestinationRefused
from regent_runtime.credentials import Credentials
from regent_runtime.transport import Reply, ReplyTooLarge, channels
from regent_runtime.wire.format import Outbound
from tests.enforces import enforces
from tests.fakes import configs

CLOUD = configs.provider_config("cloud", "https://undeclared.example.com/v1", type="OpenAI")
LOCAL = configs.provider_config("local", "http://model.demo.svc/v1")


@pytest.mark.parametrize(
    ("provider", "policy", "reason"),
    [
        (CLOUD, {"egress": {"hosts": [["*.svc", "declared.example.com"]]}}, "host_not_allowed"),
        (CLOUD, {"egress": {"hosts": [["*.example.com"], ["*.svc"]]}}, "host_not_allowed"),
        (CLOUD, {"egress": {"hosts": []}}, "host_not_allowed"),
        (
            CLOUD,
            {"models": {"allow": [[{"host": "undeclared.example.com", "models": ["other"]}]]}},
            "model_not_allowed",
        ),
        (LOCAL, {"egress": {"hosts": [["*.example.com"]]}}, "host_not_allowed"),
        (LOCAL, {"models": {"localHosts": [["*.models.svc"]]}}, "host_not_local"),
    ],
)
@enforces("egress.hosts", "models.allow.models", "models.localHosts")
async def test_a_host_that_the_policies_do_not_let_is_not_even_looked_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, provider: dict[str, Any], policy: dict[str, Any], reason: str
) -> None:
    """By the transport alone, behind all that leaves such a provider out before."""
    looked_up: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: looked_up.append(host) or [])
    [channel] = channels(configs.config(provider, policy=policy), Credentials(tmp_path)).values()
    with pytest.raises(DestinationRefused) as refused:
        await channel.post(Outbound("/chat/completions", b"{}"), "application/json")
    await channel.close()
    assert (refused.value.reason, looked_up) == (reason, [])


class Part(bytes):
    """One that is added to another is copied with all that came before it: in the end, as often as there are parts."""

    def __add__(self, other: Any) -> bytes:
        raise AssertionError

    __radd__ = __add__


@dataclass
class Response:
    """The part of aiohttp's that is read; it is its own content."""

    left: int
    read: int = 0

    @property
    def content(self) -> "Response":
        return self

    async def readany(self) -> bytes:
        if not self.left:
            return b""
        self.left, self.read = self.left - 1, self.read + 1
        return Part(b"%03d" % self.read)


def reply(response: Any) -> Reply:
    return Reply(200, "application/json", "identity", CIMultiDict(), response)


async def test_its_parts_are_put_together_once() -> None:
    assert await reply(Response(500)).whole(1500) == b"".join(b"%03d" % number for number in range(1, 501))
    assert await reply(Response(0)).whole(0) == b""


async def test_no_more_is_read_than_it_may_have() -> None:
    response = Response(500)
    with pytest.raises(ReplyTooLarge):
        await reply(response).whole(10)
    assert response.read == 4
