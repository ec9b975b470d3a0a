"""Faults of providers, each with everything that must follow: what the caller gets, whom was asked, what is written
down, and how the providers stand afterwards.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from regent_api.audit import segment
from regent_api.audit.record import AttemptPart, CostPart, Kind, Record, decode
from regent_api.policy import OUTPUT_TOKENS_DEFAULT, REFUSAL_DEFAULT
from regent_api.price import words
from regent_runtime.cost.bound import UNSEEN_TOKENS
from tests.contract.route_faults import AFTER_ONE, BREAKERS, CALLS, CLASSES, KEYS, RETRIES, TRIP, Fault
from tests.contract.way_faults import COMMITS, ENDS, WAYS
from tests.fakes import configs
from tests.fakes.certificates import self_signed
from tests.fakes.deaf import deaf
from tests.fakes.provider import Received, answers, provider, stalls, status
from tests.fakes.resolver import ELSEWHERE, NOWHERE, loopback
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import WAIT_SECONDS, eventually

SECRET = "cloud"
PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}
FREE = {"source": "route", "bands": [{"above": 0, "input": "0", "output": "0", "cachedInput": "0", "cacheWrite": "0"}]}
BELOW = "below"
FAULTS = CLASSES | RETRIES | KEYS | BREAKERS | CALLS | COMMITS | WAYS | ENDS
CASES = [(name, streamed) for name, fault in FAULTS.items() for streamed in fault.streams]
TLS = {"trusted", "untrusted", "host"}


@pytest.fixture(autouse=True)
def _services_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    ELSEWHERE.clear()
    monkeypatch.setattr(socket, "getaddrinfo", loopback)


def document(fault: Fault, ports: Sequence[int]) -> dict[str, Any]:
    """Every attempt is paid out of a budget that is large enough."""
    keys = [{"name": key, "secret": "elsewhere" if key == "bad" else SECRET, "key": key} for key in fault.keys]
    scheme = "https" if fault.way in TLS else "http"
    host = NOWHERE if fault.way == "nowhere" else "first.demo.svc"
    urls = {"first": f"{scheme}://{host}:{ports[0]}/v1", "second": f"http://second.demo.svc:{ports[1]}/v1"}
    providers = [
        configs.provider_config(
            name,
            url,
            type="OpenAI",
            price=PRICE,
            **({"credentials": keys} if keys and name == "first" else {}),
        )
        for name, url in urls.items()
    ]
    policy = configs.merged({"budget": {"perConversationUsd": "100"}}, fault.policy)
    return configs.document(*providers, route=fault.route, policy=policy)


def with_one_below(made: dict[str, Any], url: str) -> dict[str, Any]:
    """Every turn is Confidential, and one more provider stands first in the rule, costs nothing, and may not see them.

    The label alone keeps it out: the policy lets Confidential turns go to clouds.
    """
    below = configs.provider_config(BELOW, url, price=FREE, maxSensitivity="Internal")
    route, (rule,) = made["route"], made["route"]["rules"]
    rules = [{**rule, "providers": [BELOW, *rule["providers"]]}]
    confidential = {"sensitivity": "Confidential", "policy": {"models": {"localAtOrAbove": "Restricted"}}}
    return configs.merged(made, {**confidential, "route": {"providers": [*route["providers"], below], "rules": rules}})


@pytest.mark.parametrize(("name", "streamed"), CASES, ids=[f"{name}-{'s' if s else 'p'}" for name, s in CASES])
async def test_a_fault_has_its_exact_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, streamed: bool
) -> None:
    """And none of them lets a byte of a Confidential turn reach a provider below it."""
    fault = FAULTS[name]
    tls = certificate(tmp_path, fault.way, monkeypatch)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(provider(*fault.first, tls=tls))
        second = await stack.enter_async_context(provider(*fault.second))
        below = await stack.enter_async_context(provider())
        bound = stack.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        ports = {"refused": bound.getsockname()[1], "silent": stack.enter_context(deaf())}
        port = ports.get(fault.way, first.port)
        made_of = with_one_below(document(fault, [port, second.port]), below.url)
        served = await stack.enter_async_context(serving(tmp_path, made_of))
        served.secret(SECRET, hosts="first.demo.svc", **{key: f"sk-{key}" for key in fault.keys})
        served.secret("elsewhere", hosts="elsewhere.demo.svc", bad="sk-bad")
        assert await told(served, streamed=streamed, asked=fault.asked) == expected(fault)
        await served.attempts()
        found = await served.statusz()
        spent = booked(served)
        records = await logged(tmp_path)
    assert (below.connections, below.requests) == (0, [])
    assert records[-1].sensitivity == "Confidential"
    made = [each.rpartition(" ")[0] for each in fault.attempts]
    reached = {"first": list(first.requests), "second": list(second.requests)}
    money = [amounts(each, reached) for each in fault.attempts]
    assert not any(reached.values()), "no request that is not written down"
    shown = [each.headers["authorization"].removeprefix("Bearer sk-") for each in first.requests if fault.keys]
    assert not fault.sent or shown == list(fault.sent)
    assert all("authorization" not in each.headers for each in second.requests)
    breakers = [each["breaker"] for each in found["providers"] if each["name"] != BELOW]
    assert " ".join(breakers) == fault.breakers
    assert spent == sum(int((most if known is None else known) * 10**9) for known, most in money), (
        "what is unknown is spent as reserved"
    )
    audited(records, fault, made, money)
    assert b"sk-" not in b"".join(path.read_bytes() for path in (tmp_path / "audit").rglob("*") if path.is_file())


Money = tuple[Decimal | None, Decimal]
"""What an attempt cost, if that is known, and at the most."""


def amounts(attempt: str, reached: dict[str, list[Received]]) -> Money:
    """Taken from the requests that the provider got, in order, unless the attempt cannot have reached it."""
    name, outcome, usd = attempt.split(" ")
    size = 0 if outcome in {"connect", "connect_timeout", "credential_unusable"} else reached[name].pop(0).size
    most = (Decimal(UNSEEN_TOKENS + size) + 10 * OUTPUT_TOKENS_DEFAULT) / 1_000_000
    return (None if usd == "atMost" else Decimal(usd)), most


async def logged(directory: Path) -> list[Record]:
    """Of the turn, once its outcome is there."""

    async def found() -> list[Record]:
        records = [decode(payload) for _, payload in segment.payloads(directory / "audit")]
        return [each for each in records if each.turn]

    return await eventually(found, lambda records: records[-1].kind is Kind.OUTCOME)


def audited(records: Sequence[Record], fault: Fault, made: Sequence[str], money: Sequence[Money]) -> None:
    """The whole of what stands in the audit log, but for names and times."""
    intent, *attempts, outcome = records
    assert [intent.kind, *(each.kind for each in attempts), outcome.kind] == [
        Kind.INTENT,
        *[Kind.ATTEMPT] * len(made),
        Kind.OUTCOME,
    ]
    told = [each.split(" ")[0] for each in made]
    assert [each.attempts for each in attempts] == [
        [AttemptPart(provider=name, model=f"{name}-model")] for name in told
    ]
    costs = [cost_part(known, most) for known, most in money]
    assert [(f"{each.provider} {each.outcome}", each.cost) for each in outcome.attempts] == [
        (words, msgspec.structs.replace(cost, price="route")) for words, cost in zip(made, costs, strict=True)
    ]
    known = sum((usd for usd, _ in money if usd is not None), Decimal(0))
    unknown = [most for usd, most in money if usd is None]
    assert outcome.cost == cost_part(None if unknown else known, known + sum(unknown))
    assert f"{outcome.outcome} {outcome.code}".strip() == ended(fault)


def cost_part(known: Decimal | None, most: Decimal) -> CostPart:
    return CostPart(usd=words(known)) if known is not None else CostPart(unknown="usage_unknown", at_most=words(most))


def ended(fault: Fault) -> str:
    """Outcome and code in the audit log, as the caller was told them."""
    if fault.told == REFUSAL_DEFAULT:
        return "withheld"
    *text, last = fault.told.rsplit(" ", 1)
    if text and text[0].isdigit():
        return f"{'failed' if text[0] >= '500' else 'refused'} {last}"
    return f"interrupted {last}" if last.startswith("provider_") else "answered"


def booked(served: Served) -> int:
    """Billionths of a dollar that the pod's purses are short of."""
    return sum(spent.amount for spent in served.runtime.states._pod._purses._spent.values())


def certificate(directory: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    """The first provider's, and the system's trust in it."""
    if way not in TLS:
        return None
    files = self_signed(directory, "elsewhere.demo.svc" if way == "host" else "first.demo.svc")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*files)
    trust = ssl.create_default_context(cafile=None if way == "untrusted" else str(files[0]))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trust)
    return tls


@dataclass(frozen=True)
class Told:
    """The answer's words and calls, or the refusal as `status code`; of a stream that broke, its words and the code."""

    words: str
    finish: str | None = None
    retry: str | None = None
    """The header `x-should-retry`."""
    retry_after: str | None = None


def expected(fault: Fault) -> Told:
    outcome, *_ = ended(fault).split()
    if outcome in {"refused", "failed"}:
        return Told(fault.told, None, str(fault.retry).lower(), fault.retry_after)
    return Told(fault.told, None if outcome == "interrupted" else fault.finish)


async def told(served: Served, *, streamed: bool, asked: Mapping[str, Any] | None = None) -> Told:
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": streamed, **(asked or {})}
    headers = {"Authorization": f"Bearer {configs.token()}"}
    async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
        text, code, given = await response.text(), response.status, response.headers
    if code != 200:
        word = json.loads(text)["error"]["code"]
        return Told(f"{code} {word}", None, given.get("x-should-retry"), given.get("Retry-After"))
    events = [each.removeprefix("data: ") for each in text.split("\n\n") if each]
    said = [json.loads(each) for each in events if each != "[DONE]"]
    choices = [choice for each in said for choice in each.get("choices", ())]
    words = "".join(words_of(choice["delta" if streamed else "message"]) for choice in choices)
    if streamed and events[-1] != "[DONE]":
        return Told(f"{words} {said[-1]['error']['code']}")
    (finish,) = (choice["finish_reason"] for choice in choices if choice["finish_reason"])
    return Told(words, finish, given.get("x-should-retry"), given.get("Retry-After"))


def words_of(said: Mapping[str, Any]) -> str:
    """Of a message, or of a piece of one; a call as NAME(ARGUMENTS), however its id."""
    calls = [each["function"] for each in said.get("tool_calls") or ()]
    return (said.get("content") or "") + " ".join(f"{each['name']}({each['arguments']})" for each in calls)


async def test_a_caller_who_goes_cuts_the_request_and_pays_what_may_have_been_used(tmp_path: Path) -> None:
    """Cancelled: no other provider is asked, no breaker hears of it."""
    fault = Fault([], "", [], route={**TRIP, "retries": {"maxPerProvider": 1}})
    async with provider(stalls()) as first, provider() as second:
        async with serving(tmp_path, document(fault, [first.port, second.port])) as served:
            asking = asyncio.create_task(served.ask())
            await first.reached.wait()
            asking.cancel()
            await asyncio.wait([asking])
            await asyncio.wait_for(first.closed_by_client.wait(), WAIT_SECONDS)
            assert await served.attempts() == [("first", "abandoned", "")]
            assert await breakers(served) == ["closed", "closed"]
            _, most = amounts("first abandoned atMost", {"first": first.requests})
            assert booked(served) == most * 10**9
            (failed,) = [each for each in (await served.statusz())["routeErrors"] if each["failure"] == "abandoned"]
            records = await logged(tmp_path)
        assert second.requests == []
    assert [each.kind for each in records] == [Kind.INTENT, Kind.ATTEMPT, Kind.OUTCOME]
    assert (records[-1].outcome, records[-1].cost) == ("caller_gone", cost_part(None, most))
    assert failed == {
        "class": "Cancelled",
        "failure": "abandoned",
        "retry": False,
        "fallback": False,
        "breaker": False,
    }


TWO_TRIPS = Fault([status(500), answers("First.")], "Second.", AFTER_ONE, route=TRIP)


async def test_a_breaker_outlives_a_reload_of_the_config_and_ends_with_its_provider(tmp_path: Path) -> None:
    async with provider(status(500), answers("First.")) as first, provider(answers("Second.")) as second:
        made_of = document(TWO_TRIPS, [first.port, second.port])
        async with serving(tmp_path, made_of) as served:
            assert (await told(served, streamed=False)).words == "Second."
            before = (await served.statusz())["digests"]
            served.volume.write(configs.merged(made_of, {"instructions": "Answer in two sentences."}))
            await served.until(lambda found: found["digests"] != before)
            assert (await told(served, streamed=False)).words == "Second."
            assert await breakers(served) == ["open", "closed"]
            assert await served.series("regent_breaker_state") == {
                'regent_breaker_state{provider="first"}': 2,
                'regent_breaker_state{provider="second"}': 0,
            }
            edited = document(TWO_TRIPS, [first.port, second.port])
            edited["route"]["providers"][0]["model"] = "another"
            before = (await served.statusz())["digests"]
            served.volume.write(edited)
            await served.until(lambda found: found["digests"] != before)
            assert (await told(served, streamed=False)).words == "First."
            assert await breakers(served) == ["closed", "closed"]


async def test_a_provider_is_probed_when_its_time_has_passed(tmp_path: Path) -> None:
    trip = Fault([], "", [], route={"circuitBreaker": {"consecutiveFailures": 1, "openFor": 0.2}})
    async with (
        provider(status(500), answers("First.")) as first,
        provider(answers("Second.")) as second,
        serving(tmp_path, document(trip, [first.port, second.port])) as served,
    ):
        assert (await told(served, streamed=False)).words == "Second."
        await served.until(lambda found: found["providers"][0]["breaker"] == "halfOpen")
        assert (await told(served, streamed=False)).words == "First."
        assert await breakers(served) == ["closed", "closed"]


async def test_a_probe_that_tells_nothing_of_its_provider_gives_its_place_back(tmp_path: Path) -> None:
    """Its caller goes, and a guard withholds the next one's answer: the third is asked nevertheless."""
    breaker = {"consecutiveFailures": 1, "openFor": 0.2, "halfOpenProbes": 1}
    trip = Fault([], "", [], route={"circuitBreaker": breaker})
    leaks = answers("The key is AKIAQ3EGTWVPLMN7RXZB.")

    async def asked() -> int:
        return len(first.requests)

    async with (
        provider(status(500), stalls(), leaks, answers("First.")) as first,
        provider(answers("Second.")) as second,
        serving(tmp_path, document(trip, [first.port, second.port])) as served,
    ):
        assert (await told(served, streamed=False)).words == "Second."
        await served.until(lambda found: found["providers"][0]["breaker"] == "halfOpen")
        asking = asyncio.create_task(served.ask())
        await eventually(asked, lambda times: times == 2)
        asking.cancel()
        await asyncio.wait([asking])
        await served.until(lambda found: found["turns"] == 0)
        assert (await told(served, streamed=False)).words == REFUSAL_DEFAULT
        assert (await told(served, streamed=False)).words == "First."
        assert await breakers(served) == ["closed", "closed"]


async def test_when_every_breaker_is_open_the_caller_learns_when_to_come_again(tmp_path: Path) -> None:
    async with provider(status(500)) as first, provider(status(500)) as second:
        async with serving(tmp_path, document(TWO_TRIPS, [first.port, second.port])) as served:
            assert (await told(served, streamed=False)).words == "502 provider_failed"
            code, answer, headers = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
            assert (code, answer["error"]["code"]) == (502, "provider_failed")
            assert 0 < int(headers["retry-after"]) <= 60
            assert await served.attempts() == []
        assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_who_waits_for_a_retry_and_goes_is_not_asked_for(tmp_path: Path) -> None:
    waiting = Fault([], "", [], route={"retries": {"maxPerProvider": 1}})
    async with provider(status(429, Retry_After="20")) as first, provider() as second:
        async with serving(tmp_path, document(waiting, [first.port, second.port])) as served:
            asking = asyncio.create_task(served.ask())
            await served.until(lambda found: found["providers"][0]["coolingSeconds"] > 0)
            asking.cancel()
            await asyncio.wait([asking])
            await served.until(lambda found: found["turns"] == 0)
            assert await served.attempts() == [("first", "rate_limited", "429")]
        assert (len(first.requests), second.requests) == (1, [])


async def test_a_pod_shows_its_table_of_failures(tmp_path: Path) -> None:
    declared = Fault([], "", [], route={"fallback": {"errors": ["Auth"]}})
    async with serving(tmp_path, document(declared, [1, 2])) as served:
        rows = {row["failure"]: row for row in (await served.statusz())["routeErrors"]}
    assert rows["server_error"] == {
        "class": "Transient",
        "failure": "server_error",
        "retry": True,
        "fallback": False,
        "breaker": True,
    }
    assert rows["unauthenticated"]["fallback"]


async def breakers(served: Served) -> list[str]:
    return [each["breaker"] for each in (await served.statusz())["providers"]]
