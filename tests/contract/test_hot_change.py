"""A new config is in force for the next turn, in the same process; running turns end under the one they began with."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from regent_runtime import config
from regent_runtime.config import Snapshot
from regent_runtime.state.contract import StateAway, Window
from tests.contract.redis_server import redis_server
from tests.contract.streams import open_stream
from tests.fakes import configs
from tests.fakes.provider import answers, gated, provider
from tests.fakes.resolver import loopback
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.rows import row

Patched = Callable[[Any, str], None]
"""Of an object's method: what comes first."""


def digest_of(document: dict[str, Any]) -> str:
    return configs.AgentConfig.model_validate(document).digests().config


async def test_a_new_config_is_enforced_and_echoed(tmp_path: Path) -> None:
    async with provider() as fake:
        old = configs.document(configs.provider_config("local", fake.url))
        new = configs.merged(old, {"policy": {"size": {"maxOutputTokens": 5}}})
        async with serving(tmp_path, old) as served:
            assert (await served.statusz())["digests"]["config"] == digest_of(old)
            served.volume.write(new)
            await served.until(lambda status: status["digests"]["config"] == digest_of(new))
            await served.ask(max_tokens=100)
            assert fake.requests[-1].body["max_tokens"] == 5


async def test_a_running_stream_ends_under_the_config_it_began_with(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with provider(gated(gate, "Hel", "lo."), answers("Hi.")) as fake:
        old = configs.document(configs.provider_config("local", fake.url))
        new = configs.merged(old, {"policy": {"callers": {"serviceAccounts": [[{"name": "other"}]]}}})
        async with serving(tmp_path, old) as served, open_stream(served) as stream:
            assert await stream.content() == "Hel"
            served.volume.write(new)
            status = await served.until(lambda status: status["digests"]["config"] == digest_of(new))
            assert status["oldestTurn"] == {"config": digest_of(old)}
            assert status["turns"] == 1
            assert (await served.ask())[0] == 403
            gate.set()
            assert await stream.rest() == ["lo.", None, "[DONE]"]
            assert (await served.until(lambda status: status["turns"] == 0))["oldestTurn"] is None


async def asks_to_delete(served: Served, snapshot: Snapshot, patched: Patched) -> None:
    patched(snapshot.conversations, "find")
    async with served.http.delete(
        f"{served.url}/v1/conversations/{'A' * 24}", headers={"Authorization": f"Bearer {configs.token()}"}
    ) as response:
        assert response.status == 404


async def is_told_of_an_erasure(served: Served, snapshot: Snapshot, patched: Patched) -> None:
    patched(snapshot.approvals, "forget")
    assert await served.runtime._forget("0" * 64)


async def counts_conversations(served: Served, snapshot: Snapshot, patched: Patched) -> None:
    patched(served.runtime.attendance, "refresh")


@row("an edit replaces it: another Redis, or other rules of egress")
@pytest.mark.parametrize("beside", [asks_to_delete, is_told_of_an_erasure, counts_conversations])
async def test_what_asks_the_state_beside_turns_keeps_the_connection_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: Callable[[Served, Snapshot, Patched], Awaitable[None]]
) -> None:
    """An edit of egress comes between two of its requests, and is in force at once."""
    document = configs.document(configs.provider_config("local", "http://127.0.0.1:9/v1"))
    async with redis_server(tmp_path) as server:
        old = configs.merged(document, {"state": {"conversations": True, "redis": {"url": server.url}}})
        new = configs.merged(old, {"policy": {"egress": {"cidrs": [["8.8.8.0/24"]]}}})
        async with serving(tmp_path, old) as served:
            snapshot = served.runtime.lifecycle.snapshot
            assert snapshot is not None
            found: list[str] = []

            async def reached() -> str:
                try:
                    await snapshot.state.state.take([Window("bucket", 9, 60.0)], "turn")
                except StateAway as away:
                    return away.reason
                return "reached"

            def patched(owner: Any, name: str) -> None:
                original = getattr(owner, name)

                async def edited(*arguments: Any) -> Any:
                    if not found:
                        found.append("")
                        served.volume.write(new)
                        await served.until(lambda status: status["digests"]["config"] == digest_of(new))
                        await served.runtime.lifecycle.close_unused()
                        found[0] = await reached()
                    return await original(*arguments)

                monkeypatch.setattr(owner, name, edited)

            await beside(served, snapshot, patched)
            await eventually(lambda: asyncio.sleep(0, found), lambda seen: bool(seen and seen[0]))
            assert found == ["reached"]
            await eventually(reached, lambda seen: seen == "closed")


async def test_an_invalid_config_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    async with provider() as fake:
        good = configs.document(configs.provider_config("local", fake.url))
        async with serving(tmp_path, good) as served:
            for bad, words in (
                (b"{", "not JSON"),
                (b"[]", "document"),
                (b"\xff", "not JSON"),
                (configs.merged(good, {"schemaVersion": 2}), "schemaVersion"),
                (configs.merged(good, {"surprise": "s3cret"}), "surprise"),
                (configs.merged(good, {"agent": {"name": "other"}}), "another agent"),
                (configs.merged(good, {"clusterCidrs": ["everywhere"]}), "everywhere"),
                (
                    configs.merged(
                        good, {"route": {"rules": [{"name": "x", "atLeast": "Public", "providers": ["y"]}]}}
                    ),
                    "rules.x",
                ),
                (configs.merged(good, {"route": {"timeouts": {"idle": 0}}}), "timeouts"),
                (configs.merged(good, {"tokens": {"jwks": {"keys": [{"kty": "RSA", "kid": "k"}]}}}), "jwks"),
                (configs.merged(good, {"tokens": {"jwks": {"keys": ["x"]}}}), "jwks"),
                (configs.merged(good, {"tokens": {"jwks": {"keys": [{"kty": ["RSA"], "kid": "k"}]}}}), "jwks"),
                (configs.merged(good, {"tokens": {"jwks": {"keys": [{"kty": "RSA", "kid": ["k"]}]}}}), "jwks"),
                (with_url(good, "http://[::1"), "baseURL"),
                (with_url(good, "http://localhost:many/v1"), "baseURL"),
                (with_url(good, "http://localhost:65536/v1"), "baseURL"),
                (with_url(good, "http:///v1"), "baseURL"),
                (configs.merged(good, {"policy": {"egress": {"cidrs": [["anywhere"]]}}}), "anywhere"),
                (b" " * (5 * 1024 * 1024), "larger"),
            ):
                served.volume.write(bad)
                status = await served.until(lambda status, words=words: words in (status["configError"] or ""))
                assert status["digests"]["config"] == digest_of(good)
                assert "s3cret" not in status["configError"]
                assert (await served.ask())[0] == 200
            served.volume.write(good)
            await served.until(lambda status: status["configError"] is None)


def with_url(document: dict[str, Any], url: str) -> dict[str, Any]:
    return configs.merged(document, {"route": {"providers": [configs.provider_config("local", url)]}})


async def test_a_fault_of_ours_in_a_config_leaves_the_last_good_one_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with provider() as fake:
        good = configs.document(configs.provider_config("local", fake.url))
        async with serving(tmp_path, good) as served:
            with monkeypatch.context() as patched:
                patched.setattr(config, "channels", lambda *_: {}["s3cret"])
                served.volume.write(configs.merged(good, {"instructions": "Other."}))
                status = await served.until(lambda status: status["configError"] is not None)
                assert status["configError"] == "fault: KeyError"
                assert status["digests"]["config"] == digest_of(good)
            assert (await served.ask())[0] == 200
            served.volume.write(good)
            await served.until(lambda status: status["configError"] is None)


async def test_a_config_that_goes_away_stays_in_force_and_is_told_of(tmp_path: Path) -> None:
    async with (
        provider() as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        (served.volume.directory / "..data").unlink()
        await served.until(lambda status: status["configError"] is not None)
        assert (await served.ask())[0] == 200


async def test_without_a_config_the_pod_lives_and_is_not_ready(tmp_path: Path) -> None:
    async with provider() as fake, serving(tmp_path, None) as served:
        status = await served.statusz()
        assert status["digests"] is None
        assert "agent.json" in status["configError"]
        for url in (served.url, served.status_url):
            assert (await served.http.get(f"{url}/livez")).status == 200
            assert (await served.http.get(f"{url}/readyz")).status == 503
        assert (await served.ask())[1]["error"]["code"] == "not_ready"
        served.volume.write(configs.document(configs.provider_config("local", fake.url)))
        await served.until(lambda status: status["digests"] is not None)
        for url in (served.url, served.status_url):
            assert (await served.http.get(f"{url}/readyz")).status == 200
        assert (await served.ask())[0] == 200


async def test_suspending_refuses_new_turns_and_ends_running_ones(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with provider(gated(gate, "Hel", "lo."), answers("Hi.")) as fake:
        active = configs.document(configs.provider_config("local", fake.url))
        async with serving(tmp_path, active) as served, open_stream(served) as stream:
            assert await stream.content() == "Hel"
            served.volume.write(configs.merged(active, {"suspended": True}))
            assert (await stream.event())["error"]["code"] == "agent_suspended"
            assert await stream.event() is None
            await asyncio.wait_for(fake.closed_by_client.wait(), 60)
            status, answer, headers = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
            assert (status, answer["error"]["code"]) == (403, "agent_suspended")
            assert headers["x-should-retry"] == "false"
            told = await served.statusz()
            assert (told["suspended"], told["turns"]) == (True, 0)
            assert (await served.http.get(f"{served.url}/readyz")).status == 200
            served.volume.write(active)
            await served.until(lambda status: not status["suspended"])
            assert (await served.ask())[0] == 200


async def test_the_digest_is_of_the_meaning(tmp_path: Path) -> None:
    async with provider() as fake:
        document = configs.document(configs.provider_config("local", fake.url))
        reordered = dict(reversed(list(document.items()))) | {"sources": {"size.maxInputTokens": ["demo/p"]}}
        async with serving(tmp_path, document) as served:
            before = (await served.statusz())["digests"]
            served.volume.write(reordered)
            served.runtime.config.error = "not looked at yet"
            await served.until(lambda status: status["configError"] is None)
            assert (await served.statusz())["digests"] == before


async def test_a_new_credential_is_used_and_a_missing_one_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with provider() as fake:
        monkeypatch.setattr("socket.getaddrinfo", loopback)
        cloud = configs.provider_config(
            "cloud",
            f"http://cloud.demo.svc:{fake.port}/v1",
            type="OpenAI",
            credentials=[{"name": "main", "secret": "cloud-key", "key": "api-key"}],
        )
        async with serving(tmp_path, configs.document(cloud)) as served:
            assert (await served.statusz())["missingCredentials"] == ["cloud-key/api-key", "cloud-key/hosts"]
            assert (await served.ask())[1]["error"]["code"] == "provider_failed"
            served.secret("cloud-key", **{"api-key": "sk-1\n", "hosts": "other.example\n"})
            assert (await served.statusz())["missingCredentials"] == []
            assert (await served.ask())[1]["error"]["code"] == "provider_failed"
            assert fake.requests == []
            served.secret("cloud-key", hosts="other.example cloud.demo.svc")
            assert (await served.ask())[0] == 200
            served.secret("cloud-key", **{"api-key": "sk-second"})
            assert (await served.ask())[0] == 200
            assert [each.headers["authorization"] for each in fake.requests] == ["Bearer sk-1", "Bearer sk-second"]
            assert all("max_tokens" in each.body for each in fake.requests)
