"""A config that the operator hands over is in force at once, and what the kubelet brings later changes nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from regent_api.seal import SEAL_KEY
from regent_runtime import inforce
from tests.contract.streams import open_stream
from tests.fakes import configs
from tests.fakes.provider import answers, gated, provider
from tests.fakes.sealing import Sealing
from tests.fakes.serving import Served, serving


def good_and_tighter(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    good = configs.document(configs.provider_config("local", url))
    return good, configs.merged(good, {"policy": {"size": {"maxOutputTokens": 5}}})


def sealed(served: Served, document: dict[str, Any]) -> dict[str, str]:
    """The data of the ConfigMap, as the operator makes it."""
    text = json.dumps(document)
    return {"agent.json": text, SEAL_KEY: served.volume.sealing.seal(text.encode()).decode()}


async def offer(served: Served, data: object) -> tuple[int, str]:
    async with served.http.put(f"{served.status_url}/config", json=data) as answer:
        return answer.status, await answer.text()


def mount(served: Served, data: dict[str, str]) -> None:
    """As the kubelet does, some time after the operator wrote it."""
    served.volume.write(data["agent.json"].encode(), data[SEAL_KEY].encode())


async def looked(served: Served) -> None:
    """The follower of the mounted file has read what lies there now."""
    served.runtime.config.error = "not looked at yet"
    await served.until(lambda status: status["configError"] != "not looked at yet")


async def test_what_is_offered_is_in_force_when_it_is_answered(tmp_path: Path) -> None:
    async with provider() as fake:
        good, tighter = good_and_tighter(fake.url)
        async with serving(tmp_path, good) as served:
            status, told = await offer(served, sealed(served, tighter))
            assert status == 200
            assert json.loads(told)["digests"]["config"] == configs.AgentConfig.model_validate(tighter).digests().config
            await served.ask(max_tokens=100)
            assert fake.requests[-1].body["max_tokens"] == 5
            assert (await served.statusz())["configError"] is None


async def test_what_the_kubelet_brings_later_is_not_understood_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with provider() as fake:
        good, tighter = good_and_tighter(fake.url)
        async with serving(tmp_path, good) as served:
            data = sealed(served, tighter)
            await offer(served, data)
            monkeypatch.setattr(inforce, "snapshot", None)
            mount(served, data)
            await looked(served)
            assert (await served.statusz())["configError"] is None


async def test_a_volume_that_follows_late_changes_nothing_and_says_what_it_is(tmp_path: Path) -> None:
    async with provider() as fake:
        good, tighter = good_and_tighter(fake.url)
        async with serving(tmp_path, None) as served:
            loosest = configs.merged(good, {"policy": {"size": {"maxOutputTokens": 50}}})
            first, second, third = (sealed(served, each) for each in (good, tighter, loosest))
            mount(served, first)
            await looked(served)
            await offer(served, third)
            mount(served, second)
            await looked(served)
            assert "older than the config in force" in (await served.statusz())["configError"]
            await served.ask(max_tokens=100)
            assert fake.requests[-1].body["max_tokens"] == 50
            mount(served, third)
            await looked(served)
            assert (await served.statusz())["configError"] is None


async def test_a_running_stream_ends_under_the_config_it_began_with(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with provider(gated(gate, "Hel", "lo."), answers("Hi.")) as fake:
        good = configs.document(configs.provider_config("local", fake.url))
        closed = configs.merged(good, {"policy": {"callers": {"serviceAccounts": [[{"name": "other"}]]}}})
        async with serving(tmp_path, good) as served, open_stream(served) as stream:
            assert await stream.content() == "Hel"
            assert (await offer(served, sealed(served, closed)))[0] == 200
            assert (await served.ask())[0] == 403
            gate.set()
            assert await stream.rest() == ["lo.", None, "[DONE]"]


async def test_only_what_the_operator_sealed_for_this_agent_and_nothing_older_is_taken(tmp_path: Path) -> None:
    async with provider() as fake:
        good, tighter = good_and_tighter(fake.url)
        laxer = json.dumps(configs.merged(good, {"policy": {"size": {"maxOutputTokens": 5000}}}))
        async with serving(tmp_path, good) as served:
            older = sealed(served, good | {"instructions": "Other."})
            await offer(served, sealed(served, tighter))
            before = (await served.statusz())["digests"]
            ours = served.volume.sealing
            for data, words in (
                (
                    {"agent.json": laxer, SEAL_KEY: sealed(served, good)[SEAL_KEY]},
                    "not the one that the operator sealed",
                ),
                ({"agent.json": laxer, SEAL_KEY: Sealing().seal(laxer.encode()).decode()}, "not signed by a key"),
                ({"agent.json": laxer, SEAL_KEY: ours.seal(laxer.encode(), uid="x").decode()}, "another agent"),
                (older, "older than the config in force"),
                ({"agent.json": laxer, SEAL_KEY: "x" * 5000}, "larger than"),
                ({"agent.json": laxer}, "not the data of a ConfigMap"),
                ({"agent.json": 1, SEAL_KEY: "x"}, "not the data of a ConfigMap"),
                ([], "not the data of a ConfigMap"),
                (sealed(served, good | {"surprise": "s3cret"}), "surprise"),
            ):
                status, told = await offer(served, data)
                assert (status, words in told, "s3cret" in told) == (409, True, False), told
            assert (await served.statusz())["digests"] == before
            assert (await served.statusz())["configError"] is None


async def test_a_body_that_is_none_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with provider() as fake:
        good, _ = good_and_tighter(fake.url)
        async with serving(tmp_path, good) as served:
            url = f"{served.status_url}/config"
            plain = {"Content-Type": "text/plain"}
            assert (await served.http.put(url, data=b"{}", headers=plain)).status == 415
            large = {"Content-Type": "application/json", "Content-Length": str(inforce.LARGEST_CONFIG + 1)}
            assert (await served.http.put(url, data=b"", headers=large)).status == 413
            assert (await served.http.get(url)).status == 405
            assert (await served.http.put(f"{served.url}/config", json={})).status == 404


async def test_a_container_that_restarts_with_an_old_volume_takes_the_offer(tmp_path: Path) -> None:
    """The volume says that it is older than what the pod remembers; the pod serves all the same."""
    async with provider() as fake:
        good, tighter = good_and_tighter(fake.url)
        async with serving(tmp_path, good) as served:
            data = sealed(served, tighter)
            assert (await offer(served, data))[0] == 200
        async with serving(tmp_path, None, sealing=served.volume.sealing) as again:
            assert (await again.statusz())["digests"] is None
            assert (await offer(again, data))[0] == 200
            assert (await again.ask())[0] == 200
            assert "older than the config in force" in (await again.statusz())["configError"]
