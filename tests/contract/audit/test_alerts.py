"""Alerts of the real runtime, on a webhook that answers on command."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from regent_runtime.audit import alerts, webhook
from regent_runtime.audit.webhook import Webhook
from tests.contract.audit.test_turns import document
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import Provider, provider, stalls, status
from tests.fakes.resolver import ELSEWHERE, loopback
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually

ALERT = {"policy": "demo/strict", "name": "intruder", "when": "'unauthorized' in record.flags"}


@asynccontextmanager
async def alerting(tmp_path: Path, hook: Provider, egress: dict[str, Any], **more: str) -> AsyncIterator[Served]:
    alert = {**ALERT, "webhook": f"http://hooks.demo.svc:{hook.port}/alert", **more}
    async with provider() as fake:
        config = document(fake.url, audit={"alerts": [alert]}, policy={"egress": egress})
        async with serving(tmp_path, config) as served:
            yield served


async def intrude(served: Served) -> None:
    status, _, _ = await served.post({}, headers={"Authorization": "Bearer tulip"})
    assert status == 401


async def told(served: Served, **counts: int) -> dict[str, Any]:
    def holds(status: dict[str, Any]) -> bool:
        alerts = status["audit"]["alerts"]
        return bool(alerts) and all(alerts[0][name] == count for name, count in counts.items())

    return (await served.until(holds))["audit"]["alerts"][0]


OPEN = {"hosts": [["hooks.demo.svc", "127.0.0.1"]]}


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", loopback)
    monkeypatch.setattr(alerts, "PAUSES", (0.0, 0.01, 0.02))
    monkeypatch.setattr(webhook, "ATTEMPT_SECONDS", 60.0)


@enforces("audit.alerts.when", "audit.alerts.webhook")
async def test_a_record_that_matches_is_posted_without_content(tmp_path: Path) -> None:
    async with provider(status(200, {"ok": True})) as hook, alerting(tmp_path, hook, OPEN) as served:
        await served.ask()
        began = int(time.time())
        await intrude(served)
        await asyncio.wait_for(hook.reached.wait(), 60)
        found = await told(served, fired=1)
        assert began <= found.pop("firedAt") <= time.time()
        assert found == {"policy": "demo/strict", "name": "intruder", "fired": 1, "failed": 0}
        async with served.http.get(f"{served.status_url}/metrics") as response:
            text = await response.text()
    assert 'regent_alerts_total{alert="intruder",policy="demo/strict"} 1.0' in text
    assert 'regent_unauthorized_total{code="token_invalid"} 1.0' in text
    (posted,) = hook.requests
    assert (posted.path, posted.body["alert"], posted.body["policy"]) == ("/alert", "intruder", "demo/strict")
    assert (posted.body["agent"], posted.body["record"]["code"]) == ("demo/helper", "token_invalid")
    assert "tulip" not in json.dumps(posted.body)


async def test_who_waits_for_an_alert_is_told_at_once_and_at_the_end_of_the_pod(tmp_path: Path) -> None:
    async def waited(served: Served, beyond: str) -> int:
        async with served.http.get(f"{served.status_url}/statusz?beyond={beyond}") as response:
            return int((await response.json())["audit"]["alertMoves"])

    async with provider() as fake, serving(tmp_path, document(fake.url, audit={"alerts": [ALERT]})) as served:
        first = asyncio.create_task(waited(served, "0"))
        assert (await asyncio.gather(waited(served, "1"), waited(served, "x"), waited(served, "-1"))) == [0, 0, 0]
        await served.ask()
        assert not first.done(), "a turn that no alert matches is no news"
        await intrude(served)
        assert await asyncio.wait_for(first, 60) == 1
        last = asyncio.create_task(waited(served, "1"))
        assert await waited(served, "0") == 1
        served.runtime.stop()
        assert await asyncio.wait_for(last, 60) == 1


async def test_a_webhook_that_fails_is_tried_three_times(tmp_path: Path) -> None:
    behaviours = (status(500), status(302, {"no": 1}, Location="http://127.0.0.1/"), status(200, {"ok": True}))
    async with provider(*behaviours) as hook, alerting(tmp_path, hook, OPEN) as served:
        await intrude(served)
        await eventually(partial(requests, hook), lambda count: count == 3)
        assert (await told(served, fired=1))["failed"] == 0
        hook.behaviours = [status(500)]
        await intrude(served)
        await told(served, fired=2, failed=1)
    assert await requests(hook) == 6


async def edit(served: Served, config: dict[str, Any]) -> None:
    """In force when it returns."""
    before = (await served.statusz())["digests"]["config"]
    served.volume.write(config)
    await served.until(lambda status: status["digests"]["config"] != before)


async def test_an_alert_that_is_being_posted_outlasts_an_edit_of_the_config(tmp_path: Path) -> None:
    async with provider() as fake, provider(stalls(), status(200, {"ok": True})) as hook:
        alert = {**ALERT, "webhook": f"http://hooks.demo.svc:{hook.port}/alert"}
        config = document(fake.url, audit={"alerts": [alert]}, policy={"egress": OPEN})
        async with serving(tmp_path, config) as served:
            await intrude(served)
            await asyncio.wait_for(hook.reached.wait(), 60)
            await edit(served, configs.merged(config, {"policy": {"size": {"maxOutputTokens": 1}}}))
            await eventually(partial(requests, hook), lambda count: count == 2)
            assert (await told(served, fired=1))["failed"] == 0


@pytest.mark.parametrize(
    ("edited", "reason"),
    [({"egress": {"hosts": []}}, "host_not_allowed"), ({"audit": {"alerts": []}}, "webhook_removed")],
)
async def test_what_waits_to_be_posted_goes_nowhere_that_an_edit_has_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], edited: Any, reason: str
) -> None:
    monkeypatch.setattr(alerts, "PAUSES", (0.0, *[0.2] * 300))
    async with provider() as fake, provider(status(500)) as hook:
        alert = {**ALERT, "webhook": f"http://hooks.demo.svc:{hook.port}/alert"}
        config = document(fake.url, audit={"alerts": [alert]}, policy={"egress": OPEN})
        async with serving(tmp_path, config) as served:
            await intrude(served)
            await asyncio.wait_for(hook.reached.wait(), 60)
            await edit(served, configs.merged(config, {"policy": edited}))
            await told(served, fired=1, failed=1)
    assert reason in capsys.readouterr().out


async def test_a_post_that_fails_as_nobody_foresaw_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(Webhook, "post", broken)
    async with provider() as hook, alerting(tmp_path, hook, OPEN) as served:
        await intrude(served)
        await told(served, fired=1, failed=1)
        assert (await served.ask())[0] == 200


async def requests(hook: Provider) -> int:
    return len(hook.requests)


@enforces("egress.hosts")
@pytest.mark.parametrize(
    ("egress", "resolved", "url"),
    [
        ({}, "127.0.0.1", None),
        ({"hosts": [["127.0.0.1"]]}, "127.0.0.1", None),
        (OPEN, "192.0.2.1", None),
        ({"hosts": [["127.0.0.1", "outside.example"]]}, "127.0.0.1", "http://outside.example/"),
        ({"hosts": [["127.0.0.1", "outside.example"]]}, "127.0.0.1", "https://outside.example/"),
        ({"hosts": [["127.0.0.1"]]}, "127.0.0.1", "https://127.0.0.1/"),
    ],
)
async def test_a_webhook_is_reached_only_where_the_egress_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, egress: dict[str, Any], resolved: str, url: str | None
) -> None:
    for host in ("hooks.demo.svc", "outside.example"):
        monkeypatch.setitem(ELSEWHERE, host, [resolved])
    async with provider(status(200, {"ok": True})) as hook:
        more = {"webhook": url} if url else {}
        async with alerting(tmp_path, hook, egress, **more) as served:
            await intrude(served)
            await told(served, fired=1, failed=1)
    assert (hook.requests, hook.connections) == ([], 0)


async def test_an_alert_without_a_webhook_is_counted_and_a_broken_one_ends_nothing(tmp_path: Path) -> None:
    broken = {**ALERT, "name": "broken", "when": "record.nope"}
    async with provider() as fake, serving(tmp_path, document(fake.url, audit={"alerts": [ALERT, broken]})) as served:
        await intrude(served)
        await served.until(lambda status: any(each["fired"] for each in status["audit"]["alerts"]))
        alerts = (await served.statusz())["audit"]["alerts"]
        assert [(each["name"], each["fired"], each["failed"]) for each in alerts] == [
            ("broken", 0, 1),
            ("intruder", 1, 0),
        ]
        assert (await served.ask())[0] == 200
