"""Whatever a Confidential turn sets going besides its own request (a summary, a count, a question that is embedded, one
that goes out with others), no byte of it reaches a provider below it, or anybody else, under any fault.
"""

import socket
from pathlib import Path
from typing import Any

import pytest

from regent_runtime.prompt import summary
from tests.contract.test_batch import echoing, post, questions, requests
from tests.contract.test_providers import BAD, BAD_STREAMS
from tests.fakes import configs, connections
from tests.fakes.deaf import deaf
from tests.fakes.provider import Behaviour, answers, chunk, completion, provider, send_json, stalls, stream_of
from tests.fakes.resolver import NOWHERE, loopback
from tests.fakes.serving import Served, serving

CONFIDENTIAL = {"X-Regent-Sensitivity": "Confidential"}
NAME = "Nightingale"
WINDOW = 2000
ASKED = (f"How do I turn on dark mode for {NAME}?", f"How can I enable dark mode for {NAME}?")
TALK = [
    *[
        {"role": role, "content": f"{role} {turn} of {NAME} " * 60}
        for turn in range(8)
        for role in ("user", "assistant")
    ],
    {"role": "user", "content": f"And {NAME}?"},
]
BATCH = (f"How is Rome for {NAME}?", f"How is Oslo for {NAME}?", f"How is Bern for {NAME}?")
PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}
FREE = {"source": "route", "bands": [{"above": 0, "input": "0", "output": "0", "cachedInput": "0", "cacheWrite": "0"}]}
FAULTS = {
    name: behaviour
    for name, (behaviour, _) in (BAD | {f"{key}, streamed": bad for key, bad in BAD_STREAMS.items()}).items()
}
SILENCES = {
    "silence": stalls(),
    "silence after the head": stream_of(then="stall"),
    "silence after a word": stream_of(chunk({"content": "Yes"}), then="stall"),
}
WAYS = {"no such name": "connect", "no answer to a connection": "connect_timeout"}
"""To the provider that may see the turns, each with what becomes of all attempts."""
HURRIED = {"firstToken": 0.5, "idle": 0.5, "attempt": 0.5}


async def well(request: Any, reader: Any, writer: Any) -> None:
    """Counts, tells in short, answers several at once, and all else."""
    if request.path.endswith("/input_tokens"):
        await send_json(writer, 200, {"input_tokens": request.size // 5})
    elif questions(request.body) is not None:
        await echoing()(request, reader, writer)
    elif request.body["messages"][0]["content"] == summary.INSTRUCTIONS:
        await send_json(writer, 200, completion(f"They spoke of {NAME}."))
    else:
        await answers("Yes.")(request, reader, writer)


def document(home: str, below: str, **timeouts: float) -> dict[str, Any]:
    """Everything that asks more than a turn's own request is on, and who may not see the turns is the cheapest."""
    settled = {"temperature": 0.2, "capabilities": {"contextWindow": WINDOW, "tokenCounter": "InputTokens"}}
    providers = [
        configs.provider_config("below", below, price=FREE, maxSensitivity="Internal", **settled),
        configs.provider_config("home", home, price=PRICE, **settled),
    ]
    rule = {"name": "all", "atLeast": "Public", "providers": ["below", "home"], "strategy": "LeastCost"}
    return configs.document(
        *providers,
        prompt={"whenTooLong": "Shorten"},
        batch={"grouping": "Similar"},
        route={"rules": [rule], **({"timeouts": timeouts} if timeouts else {})},
        policy={
            "cache": {"maxSensitivity": "Confidential", "semantic": "Allow"},
            "budget": {"perConversationUsd": "100"},
            "guardrails": {"input": {"injection": {"patterns": ["Audit"]}}},
        },
    )


async def everything(served: Served) -> None:
    """Turns that take every path, whatever becomes of them."""
    for text in ASKED:
        await served.post({"messages": [{"role": "user", "content": text}]}, headers=CONFIDENTIAL)
    headers = {"Authorization": f"Bearer {configs.token()}", **CONFIDENTIAL}
    body = {"messages": TALK, "stream": True}
    async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
        await response.read()
    await post(served, {"requests": requests(*BATCH)}, **CONFIDENTIAL)
    await served.attempts()


@pytest.mark.parametrize("name", ["none", *FAULTS])
async def test_no_byte_of_a_confidential_turn_goes_anywhere_else_on_any_path(tmp_path: Path, name: str) -> None:
    behaviour: Behaviour = FAULTS.get(name, well)
    with connections.recorded() as begun:
        async with (
            provider() as below,
            provider(behaviour) as home,
            serving(tmp_path, document(home.url, below.url)) as served,
        ):
            await everything(served)
            ours = {home.port, served.runtime.serving.port, served.runtime.telling.port}
            turns = list(served.runtime.records)
    assert (below.connections, below.requests) == (0, [])
    assert set(begun) <= {("127.0.0.1", port) for port in ours}
    assert ("127.0.0.1", home.port) in begun
    assert {each.sensitivity for each in turns} == {"Confidential"}
    if name == "none":
        assert_every_path_was_taken(turns)


@pytest.mark.parametrize("name", [*SILENCES, *WAYS])
async def test_nor_where_its_provider_is_silent_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", loopback)
    with connections.recorded() as begun, deaf() as silent:
        async with provider() as below, provider(SILENCES.get(name, well)) as home:
            urls = {
                "no such name": f"http://{NOWHERE}/v1",
                "no answer to a connection": f"http://127.0.0.1:{silent}/v1",
            }
            made = document(urls.get(name, home.url), below.url, connect=0.2 if name in WAYS else 5.0, **HURRIED)
            async with serving(tmp_path, made) as served:
                await everything(served)
                ours = {home.port, silent, served.runtime.serving.port, served.runtime.telling.port}
                turns = list(served.runtime.records)
    assert (below.connections, below.requests) == (0, [])
    assert set(begun) <= {("127.0.0.1", port) for port in ours}
    assert {each.sensitivity for each in turns} == {"Confidential"}
    outcomes = {attempt.outcome for each in turns for attempt in each.attempts}
    assert outcomes == {WAYS.get(name, "attempt_timeout")}


def assert_every_path_was_taken(turns: Any) -> None:
    assert "semantic" in {each.cache for each in turns}, "a question was embedded"
    actions = {decision.action for each in turns for decision in each.decisions}
    assert {"Count", "Summarise", "Group"} <= actions
    attempts = {attempt.detail for each in turns for attempt in each.attempts}
    assert {"summary", "group", ""} <= attempts
