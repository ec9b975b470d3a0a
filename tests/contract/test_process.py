"""The program as a pod runs it: `python -I -m regent_runtime`, its two ports, its log and its signals."""

import asyncio
import json
import signal
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from regent_runtime.route.failure import Failure
from regent_runtime.serve.http import Receive, Scope, Send
from regent_runtime.serve.listener import Listener
from tests.contract.processes import Process, request, running
from tests.fakes import configs
from tests.fakes.certificates import self_signed
from tests.fakes.provider import answers, provider


async def readiness(http: aiohttp.ClientSession, pod: Process) -> int:
    return (await http.get(f"{pod.status_url}/readyz")).status


async def test_both_ports_answer_probes_and_only_one_tells(tmp_path: Path) -> None:
    async with provider(answers("Hi.")) as fake, aiohttp.ClientSession() as http:
        document = configs.document(configs.provider_config("local", fake.url))
        async with running(tmp_path, document, POD_NAME="helper-0", POD_UID="u-1") as pod:
            for url in (pod.url, pod.status_url):
                assert (await http.get(f"{url}/livez")).status == 200
                assert (await http.get(f"{url}/readyz")).status == 200
            assert (await http.get(f"{pod.url}/statusz")).status == 404
            assert (await http.post(f"{pod.status_url}/v1/chat/completions", **request())).status == 404
            status = await (await http.get(f"{pod.status_url}/statusz")).json()
            assert status.pop("audit")["durability"] == "Pod"
            assert {row["failure"] for row in status.pop("routeErrors")} == {each.word for each in Failure}
            assert status == {
                "pod": {"name": "helper-0", "uid": "u-1"},
                "version": "0.1.0",
                "digests": configs.AgentConfig.model_validate(document).digests().wire(),
                "oldestTurn": None,
                "configError": None,
                "configSequence": 1,
                "missingCredentials": [],
                "apiKeyProblems": [],
                "activeConversations": 0,
                "turns": 0,
                "suspended": False,
                "draining": False,
                "providers": [
                    {
                        "name": "local",
                        "breaker": "closed",
                        "coolingSeconds": 0.0,
                        "lastFailure": "",
                        "firstWordSeconds": {},
                    }
                ],
                "budgets": [],
                "canary": None,
            }
            assert (await http.post(f"{pod.url}/v1/chat/completions", **request())).status == 200
            assert (await http.post(f"{pod.url}/v1/chat/completions", **request(n=2))).status == 400
            async with http.get(f"{pod.status_url}/metrics") as response:
                text = await response.text()
                assert response.content_type == "text/plain"
            assert 'regent_turns_total{code="",outcome="answered"} 1.0' in text
            assert 'regent_turns_total{code="unsupported_field",outcome="refused"} 1.0' in text
            assert 'regent_attempts_total{outcome="answered",provider="local"} 1.0' in text
            assert 'regent_tokens_total{direction="output",provider="local"} 3.0' in text
            assert "regent_active_conversations 0.0" in text


async def test_the_log_has_figures_and_no_content(tmp_path: Path) -> None:
    async with provider(answers("Secretly: rose.")) as fake, aiohttp.ClientSession() as http:
        document = configs.document(configs.provider_config("local", fake.url), instructions="Never say orchid.")
        async with running(tmp_path, document) as pod:
            await http.post(f"{pod.url}/v1/chat/completions", **request())
            await http.post(f"{pod.url}/v1/chat/completions", **request(tulip=1))
            await http.post(
                f"{pod.url}/v1/chat/completions", **(request() | {"headers": {"Authorization": "Bearer tulip"}})
            )
            pod.process.send_signal(signal.SIGTERM)
            assert await pod.ended() == 0
        turns = [line for line in pod.lines if line["event"] == "turn"]
        assert [(turn["outcome"], turn["code"]) for turn in turns] == [
            ("answered", ""),
            ("refused", "unknown_field"),
            ("refused", "token_invalid"),
        ]
        assert (turns[0]["sensitivity"], turns[0]["rule"], turns[0]["provider"]) == ("Internal", "all", "local")
        assert (turns[0]["inputTokens"], turns[0]["outputTokens"]) == (11, 3)
        text = json.dumps(pod.lines)
        for word in ("tulip", "rose", "orchid", configs.token()[:20], "caller@", "Whisper"):
            assert word not in text


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_providers_certificate_is_checked(tmp_path: Path, trusted: bool) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with provider(tls=tls) as fake, aiohttp.ClientSession() as http:
        document = configs.document(configs.provider_config("local", f"https://localhost:{fake.port}/v1"))
        environment = {"SSL_CERT_FILE": str(certificate)} if trusted else {}
        async with running(tmp_path, document, **environment) as pod:
            status = (await http.post(f"{pod.url}/v1/chat/completions", **request())).status
    assert (status, len(fake.requests)) == ((200, 1) if trusted else (502, 0))


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_a_pod_hears_callers_of_both_families() -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listener = Listener(answer, None, 0)
    serving = asyncio.create_task(listener.listen())
    async with aiohttp.ClientSession() as http:
        for host in ("127.0.0.1", "[::1]"):
            assert (await http.get(f"http://{host}:{listener.port}/")).status == 204
    listener.stop()
    await serving
