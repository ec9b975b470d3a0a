"""Approvals that all pods see: asked for at one, decided at another, used at a third; and none while Redis is away."""

from pathlib import Path

import openai
import pytest

from tests.contract.redis_server import redis_server
from tests.contract.test_approvals import approvals, ask, decide, document, requested
from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.serving import serving
from tests.fakes.waiting import eventually
from tests.rows import row


async def test_an_approval_is_the_agents_and_not_a_pods(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider() as fake:
        shared = configs.merged(document(fake.url), {"state": {"redis": {"url": server.url}}})
        async with (
            serving(tmp_path / "one", shared) as one,
            serving(tmp_path / "two", shared) as two,
            serving(tmp_path / "three", shared) as three,
        ):
            id_ = await requested(one)
            assert (await decide(two, id_))[0] == 200
            assert await ask(three, id_) == "Hello."
            with pytest.raises(openai.PermissionDeniedError):
                await ask(one, id_)
            text = repr([await server.ask("DUMP", key) for key in await server.ask("KEYS", "*")])
    assert len(fake.requests) == 1
    assert "ann@example.com" not in text


@row("an approval: to ask, to look at, to decide, to use")
@row("it comes back empty")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_no_approval_is_asked_for_seen_decided_or_used_while_redis_is_away(tmp_path: Path, on_error: str) -> None:
    async with redis_server(tmp_path) as server, provider() as fake:
        change = {"state": {"redis": {"url": server.url}}, "policy": {"onStateError": on_error}}
        async with serving(tmp_path, configs.merged(document(fake.url), change)) as served:
            id_ = await requested(served)
            await server.kill()
            with pytest.raises(openai.InternalServerError, match="try again"):
                await ask(served)
            with pytest.raises(openai.InternalServerError, match="try again"):
                await ask(served, id_)
            assert (await approvals(served, "GET", id_))[0] == 503
            assert (await decide(served, id_))[0] == 503
            await server.start()
            await eventually(lambda: approvals(served, "GET", id_), lambda found: found[0] == 404)
    assert not fake.requests
