"""Faults of providers, each with everything that must follow: what the caller gets, whom was asked, what is written down."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from regent_api.audit import segment
from regent_api.audit.record import Kind, decode
from tests.contract.test_providers import stream
from tests.fakes import configs
from tests.fakes.provider import Behaviour, answers, provider, status
from tests.fakes.serving import Served, serving

FILTERED = {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}


@dataclass(frozen=True)
class Fault:
    """Two providers and what a turn leaves. `told`: the answer's text, or `status code` of the refusal."""

    first: Sequence[Behaviour]
    told: str
    attempts: Sequence[str]
    """`PROVIDER OUTCOME` each."""
    second: Sequence[Behaviour] = (answers("Second."),)
    route: dict[str, Any] = field(default_factory=dict)


FAULTS = {
    "transient": Fault([status(500)], "Second.", ["first server_error", "second answered"]),
    "transient, not declared": Fault(
        [status(500)], "502 provider_failed", ["first server_error"], route={"fallback": {"on": ["Timeout"]}}
    ),
    "overloaded": Fault([status(529)], "Second.", ["first overloaded", "second answered"]),
    "overloaded by its word": Fault(
        [status(500, {"type": "error", "error": {"type": "overloaded_error"}})],
        "Second.",
        ["first overloaded", "second answered"],
    ),
    "a dead key": Fault([status(401)], "Second.", ["first unauthenticated", "second answered"]),
    "a dead key, not declared": Fault(
        [status(401)], "502 provider_failed", ["first unauthenticated"], route={"fallback": {"on": ["Transient"]}}
    ),
    "too long": Fault(
        [status(400, {"error": {"type": "exceed_context_size_error"}})],
        "Second.",
        ["first context_window", "second answered"],
    ),
    "too long, not declared": Fault(
        [status(400, {"error": {"type": "exceed_context_size_error"}})],
        "422 context_too_long",
        ["first context_window"],
        route={"fallback": {"on": ["Transient"]}},
    ),
    "a content filter": Fault([status(400, FILTERED)], "400 content_filter", ["first content_filter"]),
    "a content filter, declared": Fault(
        [status(400, FILTERED)],
        "Second.",
        ["first content_filter", "second answered"],
        route={"fallback": {"on": ["ContentFilter"]}},
    ),
    "two content filters, declared": Fault(
        [status(400, FILTERED)],
        "400 content_filter",
        ["first content_filter", "second server_error"],
        second=[status(500)],
        route={"fallback": {"on": ["ContentFilter"]}},
    ),
    "an invalid request": Fault([status(400)], "502 provider_rejected", ["first rejected"]),
    "an invalid request, declared": Fault(
        [status(400)], "Second.", ["first rejected", "second answered"], route={"fallback": {"on": ["Invalid"]}}
    ),
    "one attempt": Fault(
        [status(500)], "502 provider_failed", ["first server_error"], route={"fallback": {"maxAttempts": 1}}
    ),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_has_its_exact_outcome(tmp_path: Path, name: str, streamed: bool) -> None:
    fault = FAULTS[name]
    async with AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(provider(*each)) for each in (fault.first, fault.second)]
        providers = [
            configs.provider_config(name, fake.url) for name, fake in zip(("first", "second"), fakes, strict=True)
        ]
        served = await stack.enter_async_context(serving(tmp_path, configs.document(*providers, route=fault.route)))
        assert await told(served, streamed=streamed) == fault.told
        made = [f"{provider} {outcome}" for provider, outcome, _ in await served.attempts()]
    assert made == fault.attempts
    assert sum(len(fake.requests) for fake in fakes) == len(made)
    records = [decode(payload) for _, payload in segment.payloads(tmp_path / "audit")]
    turn = [each for each in records if each.turn]
    assert [each.kind for each in turn] == [Kind.INTENT, *[Kind.ATTEMPT] * len(made), Kind.OUTCOME]
    assert [f"{each.provider} {each.outcome}" for each in turn[-1].attempts] == made
    assert b"sk-leak" not in b"".join(path.read_bytes() for path in (tmp_path / "audit").rglob("*") if path.is_file())


async def told(served: Served, *, streamed: bool) -> str:
    """The answer's text, or the refusal as `status code`."""
    if not streamed:
        code, answer = await served.ask()
        return answer["choices"][0]["message"]["content"] if code == 200 else f"{code} {answer['error']['code']}"
    code, events = await stream(served)
    if code != 200:
        return f"{code} {events[0]['error']['code']}"
    text = "".join(
        event["choices"][0]["delta"].get("content") or ""
        for event in events
        if event != "[DONE]" and "choices" in event
    )
    assert events[-1] == "[DONE]" or "error" in events[-1]
    return text if events[-1] == "[DONE]" else f"{text} {events[-1]['error']['code']}"
