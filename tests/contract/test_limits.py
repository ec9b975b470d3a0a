"""`limits` and `onStateError` over HTTP: in one process, and in two that share a real Redis."""

import asyncio
import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.contract.processes import Process, request, running
from tests.contract.redis_server import RedisServer, redis_server
from tests.contract.streams import open_stream
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import Provider, answers, gated, provider
from tests.fakes.serving import serving
from tests.fakes.waiting import eventually
from tests.rows import row


def limited(fake: Provider, *limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    stated = [{"policy": "demo/limits", "per": "Caller", **limit} for limit in limits]
    policy = {"limits": stated, **more.pop("policy", {})}
    return configs.document(configs.provider_config("local", fake.url), policy=policy, **more)


def in_redis(server: RedisServer, **more: Any) -> dict[str, Any]:
    return {"redis": {"url": server.url}, **more}


@enforces("limits.requestsPerHour")
async def test_a_refusal_is_in_openais_shape_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, limited(fake, {"requestsPerHour": 1})) as served:
        assert (await served.ask())[0] == 200
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        status, answer, headers = await served.post(body)
        assert (status, answer["error"]["code"], answer["error"]["type"]) == (
            429,
            "rate_limit_exceeded",
            "rate_limit_error",
        )
        assert 3500 < int(headers["retry-after"]) <= 3600
        assert headers["x-should-retry"] == "true"
        other, _, _ = await served.post(body, token=configs.token("rosalind"))
        assert other == 200
        assert len(fake.requests) == 2, "nothing of a refused turn reaches a provider"
        async with served.http.get(f"{served.status_url}/metrics") as response:
            text = await response.text()
        assert 'regent_limited_total{bound="requestsPerHour"} 1.0' in text
        assert "rosalind" not in text


async def test_a_refused_body_is_not_read(tmp_path: Path) -> None:
    """A caller at its limit costs a header's worth of work, whatever it sends."""
    async with provider(answers("Hi.")) as fake, serving(tmp_path, limited(fake, {"requestsPerHour": 1})) as served:
        assert (await served.ask())[0] == 200
        status, _, headers = await served.post(b"x" * 500_000)
        assert (status, headers["connection"]) == (429, "close")


async def test_a_callers_turn_that_runs_holds_its_slot_and_gives_it_back(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        provider(gated(gate, "Hel", "lo."), answers("Hi.")) as fake,
        serving(tmp_path, limited(fake, {"maxConcurrentTurns": 1})) as served,
    ):
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"Authorization": f"Bearer {configs.token()}"}
        async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as stream:
            await stream.content.readany()
            status, _, refused = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
            assert (status, refused["retry-after"]) == (429, "1")
            gate.set()
            await stream.read()
        assert (await served.ask())[0] == 200


async def test_a_caller_who_goes_away_gives_its_slot_back(tmp_path: Path) -> None:
    async with (
        provider(gated(asyncio.Event(), "Hel", "lo."), answers("Hi.")) as fake,
        serving(tmp_path, limited(fake, {"maxConcurrentTurns": 1})) as served,
    ):
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"Authorization": f"Bearer {configs.token()}"}
        async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as stream:
            await stream.content.readany()
        await served.until(lambda status: status["turns"] == 0)
        assert (await served.ask())[0] == 200


async def test_a_new_config_forgets_no_window(tmp_path: Path) -> None:
    async with provider(answers("Hi.")) as fake:
        document = limited(fake, {"requestsPerHour": 2})
        async with serving(tmp_path, document) as served:
            assert [(await served.ask())[0] for _ in range(2)] == [200, 200]
            before = (await served.statusz())["digests"]["config"]
            served.volume.write(configs.merged(document, {"instructions": "Be brief."}))
            await served.until(lambda status: status["digests"]["config"] != before)
            assert (await served.ask())[0] == 429


@contextlib.asynccontextmanager
async def two(tmp_path: Path, document: dict[str, Any]) -> Any:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    async with running(folders[0], document) as one, running(folders[1], document) as other:
        yield one, other


async def status_of(http: aiohttp.ClientSession, pod: Process, **more: Any) -> int:
    async with http.post(f"{pod.url}/v1/chat/completions", **request(**more)) as response:
        await response.read()
        return response.status


@enforces("limits.requestsPerHour")
async def test_two_pods_with_one_redis_let_in_what_one_would(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake, aiohttp.ClientSession() as http:
        document = limited(fake, {"requestsPerHour": 10}, state=in_redis(server))
        async with two(tmp_path, document) as pods:
            found: list[int] = []
            for _ in range(
                10
            ):  # not all at once: on a busy machine an answer of Redis would be late, and the turn denied
                found += await asyncio.gather(*(status_of(http, pods[n % 2]) for n in range(4)))
    assert Counter(found) == {200: 10, 429: 30}
    assert len(fake.requests) == 10


async def test_without_redis_each_pod_counts_alone(tmp_path: Path) -> None:
    """Why more than one replica with limits needs Redis (SharedStateRequired)."""
    async with (
        provider(answers("Hi.")) as fake,
        aiohttp.ClientSession() as http,
        two(tmp_path, limited(fake, {"requestsPerHour": 3})) as pods,
    ):
        found = [await status_of(http, pods[n % 2]) for n in range(10)]
    assert Counter(found) == {200: 6, 429: 4}


@row("room in a window", "Deny")
@enforces("onStateError")
async def test_deny_refuses_turns_while_redis_is_away_and_recovers_by_itself(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        document = limited(fake, {"requestsPerHour": 100}, state=in_redis(server), policy={"onStateError": "Deny"})
        async with serving(tmp_path, document) as served:
            assert (await served.ask())[0] == 200
            await server.kill()
            body = {"messages": [{"role": "user", "content": "Hi"}]}
            for _ in range(3):
                status, answer, headers = await served.post(body)
                assert (status, answer["error"]["code"]) == (503, "state_unavailable")
                assert (headers["retry-after"], headers["x-should-retry"]) == ("1", "true")
            assert len(fake.requests) == 1
            await server.start()
            await eventually(served.ask, lambda found: found[0] == 200)
            async with served.http.get(f"{served.status_url}/metrics") as response:
                assert "regent_state_errors_total{reason=" in await response.text()


@row("room in a window", "Local")
@enforces("onStateError")
async def test_local_lets_each_pod_count_alone_while_redis_is_away(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        document = limited(fake, {"requestsPerHour": 2}, state=in_redis(server), policy={"onStateError": "Local"})
        async with serving(tmp_path, document) as served:
            assert [(await served.ask())[0] for _ in range(3)] == [200, 200, 429]
            await server.kill()
            assert [(await served.ask())[0] for _ in range(3)] == [200, 200, 429], "from nothing, by this pod alone"
            await server.start()
            await eventually(served.ask, lambda found: found[0] == 200)


@row("room for a turn at once")
@enforces("onStateError")
@pytest.mark.parametrize(("on_error", "found"), [("Deny", [503, 503]), ("Local", [200, 429])])
async def test_turns_at_once_while_redis_is_away(tmp_path: Path, on_error: str, found: list[int]) -> None:
    gate = asyncio.Event()
    async with redis_server(tmp_path) as server, provider(gated(gate, "Hel", "lo.")) as fake:
        policy = {"onStateError": on_error}
        document = limited(fake, {"maxConcurrentTurns": 1}, state=in_redis(server), policy=policy)
        async with serving(tmp_path, document) as served:
            await server.kill()
            statuses = []
            headers = {"Authorization": f"Bearer {configs.token()}"}
            for _ in found:
                body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
                response = await served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers)
                statuses.append(response.status)
            gate.set()
    assert statuses == found


@row("limits of a policy in mode Audit")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_a_shadow_counts_nothing_while_redis_is_away_and_changes_nothing(tmp_path: Path, on_error: str) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        policy = {"onStateError": on_error}
        plain = configs.document(configs.provider_config("local", fake.url), state=in_redis(server), policy=policy)
        trial = configs.merged(
            plain["policy"], {"limits": [{"policy": "demo/t", "per": "Agent", "requestsPerHour": 1}]}
        )
        document = configs.merged(plain, {"shadows": [{"name": "demo/t", "policy": trial}]})
        async with serving(tmp_path, document) as served:
            await server.kill()
            assert [(await served.ask())[0] for _ in range(3)] == [200] * 3
        told = {
            (each.action, each.reason) for record in served.runtime.records for each in record.decisions if each.shadow
        }
    assert told == {("Fault", "StateAway")}


@row("a turn that runs already")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_a_turn_that_ran_while_redis_went_away_ends_well(
    tmp_path: Path, on_error: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    gate = asyncio.Event()
    policy = {"onStateError": on_error}
    async with (
        redis_server(tmp_path) as server,
        provider(gated(gate, "Hel", "lo.")) as fake,
        serving(tmp_path, limited(fake, {"maxConcurrentTurns": 1}, state=in_redis(server), policy=policy)) as served,
    ):
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"Authorization": f"Bearer {configs.token()}"}
        async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as stream:
            await stream.content.readany()
            await server.kill()
            gate.set()
            assert b"[DONE]" in await stream.read()
        await served.until(lambda status: status["turns"] == 0)
        assert [(record.outcome, record.code) for record in served.runtime.records] == [("answered", "")]
    events = [json.loads(line)["event"] for line in capfdbinary.readouterr().out.splitlines() if line.startswith(b"{")]
    assert "turn" in events
    assert "fault" not in events


@row("it comes back empty")
async def test_a_server_that_comes_back_empty_knows_of_no_turn_that_runs(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        redis_server(tmp_path) as server,
        provider(gated(gate, "Hel", "lo."), answers("Hi.")) as fake,
        serving(tmp_path, limited(fake, {"maxConcurrentTurns": 1}, state=in_redis(server))) as served,
        open_stream(served) as stream,
    ):
        assert await stream.content() == "Hel"
        assert (await served.ask())[0] == 429
        await server.kill()
        assert (await served.ask())[0] == 503
        await server.start()
        assert (await eventually(served.ask, lambda found: found[0] != 503))[0] == 200
        gate.set()
        assert await stream.rest() == ["lo.", None, "[DONE]"]


@row("the password is wrong, missing, or for other hosts")
async def test_a_redis_that_needs_a_password_gets_the_mounted_one_and_a_new_one_is_hot(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--requirepass", "first") as server, provider(answers("Hi.")) as fake:
        password = {"name": "redis", "secret": "redis", "key": "password"}
        state = {"redis": {"url": server.url, "password": password}}
        async with serving(tmp_path, limited(fake, {"requestsPerHour": 100}, state=state)) as served:
            assert (await served.ask())[0] == 503
            assert (await served.statusz())["missingCredentials"] == ["redis/hosts", "redis/password"]
            served.secret("redis", password="first", hosts="redis.example.com")
            assert (await served.ask())[0] == 503, "the Secret does not name this host"
            served.secret("redis", password="first", hosts="127.0.0.1")
            await eventually(served.ask, lambda found: found[0] == 200)
            await server.kill()
            await server.start()
            served.secret("redis", password="wrong", hosts="127.0.0.1")
            await eventually(served.ask, lambda found: found[0] == 503)
            served.secret("redis", password="first", hosts="127.0.0.1")
            await eventually(served.ask, lambda found: found[0] == 200)


async def test_a_redis_that_egress_hosts_does_not_name_is_never_dialled(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        policy = {"egress": {"hosts": [["elsewhere.example.com"]]}}
        async with serving(tmp_path, limited(fake, {"requestsPerHour": 1}, state=in_redis(server), policy=policy)) as s:
            assert (await s.ask())[0] == 503
        assert "total_connections_received:2" in await server.ask("INFO", "stats"), "this test's own two"
