import asyncio
from contextlib import suppress
from typing import Any

import pytest

from regent_operator.engine.client import Listing
from regent_operator.engine.errors import ApiError
from regent_operator.engine.facts import POLL_SECONDS, ClusterFacts
from regent_operator.settings import Settings
from tests.unit.engine.fake_client import FakeClient

ISSUER = {"/.well-known/openid-configuration": {"issuer": "https://kubernetes.default.svc"}}
ONE, TWO = {"kid": "a", "kty": "RSA"}, {"kid": "b", "kty": "RSA"}


class Scene:
    def __init__(self, *, read_service_cidrs: bool = True, poll_seconds: float = POLL_SECONDS, **settings: Any) -> None:
        self.client = FakeClient()
        self.client.document = self._document  # type: ignore[attr-defined]
        self.keys: list[dict[str, str]] = [ONE, TWO]
        self.changes = 0
        self.facts = ClusterFacts(
            self.client,  # type: ignore[arg-type]
            Settings(namespace="own", runtime_image="r", signing_keys="/keys", **settings).installation,
            self._changed,
            read_service_cidrs=read_service_cidrs,
            poll_seconds=poll_seconds,
        )

    async def refresh(self, *cidrs: str) -> None:
        self.client.lists = [Listing([{"spec": {"cidrs": list(cidrs)}}], "1")]
        await self.facts.refresh()

    async def _document(self, path: str) -> dict[str, Any]:
        return ({"/openid/v1/jwks": {"keys": self.keys}} | ISSUER)[path]

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def scene() -> Scene:
    return Scene(pod_cidrs=("10.9.0.0/16",))


async def test_issuer_keys_and_ranges_are_read(scene: Scene) -> None:
    assert not scene.facts.known.is_set()
    await scene.refresh("10.1.0.0/16", "fd00::/108")
    assert scene.facts.known.is_set()
    assert scene.facts.installation.issuer == "https://kubernetes.default.svc"
    assert scene.facts.installation.jwks == {"keys": [ONE, TWO]}
    assert scene.facts.installation.cluster_cidrs == ("10.1.0.0/16", "10.9.0.0/16", "fd00::/108")


async def test_a_new_key_replans_everything_and_another_order_does_not(scene: Scene) -> None:
    await scene.refresh("10.1.0.0/16")
    assert scene.changes == 1
    scene.keys = [TWO, ONE]
    await scene.refresh("10.1.0.0/16")
    assert scene.changes == 1
    scene.keys = [TWO]
    await scene.refresh("10.1.0.0/16")
    assert scene.changes == 2
    await scene.refresh("10.2.0.0/16")
    assert scene.changes == 3


async def test_ranges_of_a_flag_are_not_read() -> None:
    scene = Scene(read_service_cidrs=False, cluster_cidrs=("10.3.0.0/16",))
    await scene.refresh()
    assert scene.facts.installation.cluster_cidrs == ("10.3.0.0/16",)
    assert scene.client.calls == []


async def test_what_cannot_be_read_now_keeps_its_last_value(scene: Scene) -> None:
    await scene.refresh("10.1.0.0/16")
    before = scene.facts.installation
    scene.client.lists = [ApiError(503, "ServiceUnavailable", "busy")]
    with pytest.raises(ApiError):
        await scene.facts.refresh()
    assert scene.facts.installation == before


async def test_the_keys_are_read_again_and_again() -> None:
    """The API server may begin to sign with another key at any time; nothing tells us."""
    scene = Scene(read_service_cidrs=False, poll_seconds=0.0)
    following = asyncio.create_task(scene.facts.run())
    await scene.facts.known.wait()
    assert scene.facts.installation.jwks == {"keys": [ONE, TWO]}
    scene.keys = [TWO]
    async with asyncio.timeout(60):
        while scene.facts.installation.jwks != {"keys": [TWO]}:  # noqa: ASYNC110 - it looks from outside
            await asyncio.sleep(0)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    assert scene.changes == 2
