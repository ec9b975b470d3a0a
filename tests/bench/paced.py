"""Edits of agents at a steady pace, and how long after each its config is written and its agent told.

The loop is open: each edit leaves at its own moment, whatever has become of those before, so a server that is late
is not spared. Times are those at which the API server received the edit's patch and the operator's writes; had it
received edits late, waits would look shorter than they are, so that is told.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.client import MERGE
from regent_operator.engine.resources import AGENTS
from tests.bench.account import Where, is_ready, ready_condition
from tests.cluster import Request

AGENT = "paced"
"""The editor's user agent."""
LATE_SECONDS = 0.5
ANSWER_SECONDS = 60.0
LEAST_TOKENS, TOKENS = 16, 400


@dataclass(frozen=True)
class Sent:
    """An edit. `due` in seconds since 1970; `generation` is the agent's after it, None: it was refused with `status`."""

    agent: Where
    due: float
    tokens: int
    status: int
    generation: int | None


async def edit(access: ClusterAccess, agents: Sequence[Where], rate: float) -> list[Sent]:
    """Edit each agent once, `rate` of them a second: another spec.parameters.maxOutputTokens."""
    connections = aiohttp.TCPConnector(ssl=access.tls(), limit=0)
    headers = {"Content-Type": MERGE, "User-Agent": AGENT}
    if access.token:
        headers["Authorization"] = f"Bearer {access.token.read()}"
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    began = time.time()
    async with aiohttp.ClientSession(access.server, connector=connections, headers=headers, timeout=timeout) as session:
        edits = []
        for number, agent in enumerate(agents):
            due = began + number / rate
            await asyncio.sleep(due - time.time())
            edits.append(asyncio.create_task(_edit(session, agent, due, LEAST_TOKENS + number % TOKENS)))
        return await asyncio.gather(*edits)


async def _edit(session: aiohttp.ClientSession, agent: Where, due: float, tokens: int) -> Sent:
    patch = json.dumps({"spec": {"parameters": {"maxOutputTokens": tokens}}})
    try:
        async with session.patch(AGENTS.path(*agent), data=patch) as answer:
            made = await answer.json() if answer.status == 200 else None
            return Sent(agent, due, tokens, answer.status, made["metadata"]["generation"] if made else None)
    except (aiohttp.ClientError, TimeoutError):
        return Sent(agent, due, tokens, 0, None)


@dataclass(frozen=True)
class Applied:
    """Seconds since the API server received the edit; None: not yet."""

    late: float
    """From when the edit was due until the server received it."""
    config: float | None
    ready: float | None


def applied(sent: Iterable[Sent], asked: Iterable[Request]) -> list[Applied]:
    """For each edit that was not refused. `asked`: everybody's requests since before the first edit."""
    edits = {one.agent: one for one in sent if one.generation is not None}
    received: dict[Where, float] = {}
    config: dict[Where, float] = {}
    ready: dict[Where, float] = {}
    for request in sorted(asked, key=lambda request: request.at):
        where = request.namespace, request.name
        if where not in edits or request.code != 200 or request.verb != "patch":
            continue
        if request.agent == AGENT:
            received[where] = request.moment
        elif request.resource == "configmaps" and where in received:
            config.setdefault(where, request.moment - received[where])
        elif request.resource == "aiagents" and _tells(request, edits[where].generation):
            ready.setdefault(where, request.moment - received[where])
    return [
        Applied(received[where] - one.due, config.get(where), ready.get(where))
        for where, one in edits.items()
        if where in received
    ]


def _tells(request: Request, generation: int | None) -> bool:
    """Whether the status is Ready under the edit's generation."""
    told = ready_condition(request)
    return told is not None and is_ready(told) and told.get("observedGeneration") == generation


def are_applied(edits: Sequence[Applied]) -> bool:
    return all(one.config is not None and one.ready is not None for one in edits)


def figures(edits: Sequence[Applied]) -> dict[str, Any]:
    """p50, p99 and max of the waits, and whether the pace was held. Two edits or more, all applied."""
    return {
        "edits": len(edits),
        "to_config_seconds": _spread([one.config for one in edits if one.config is not None]),
        "to_ready_seconds": _spread([one.ready for one in edits if one.ready is not None]),
        "pace": pace([one.late for one in edits]),
    }


def pace(late: Sequence[float]) -> str:
    worst, number = max(late), sum(seconds > LATE_SECONDS for seconds in late)
    if not number:
        return f"held: the API server received each edit within {worst:.2f} s of its moment"
    return f"not held: the API server received {number} of {len(late)} edits late, by {worst:.2f} s at the worst"


def _spread(values: list[float]) -> dict[str, float]:
    percentiles = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": percentiles[49], "p99": percentiles[98], "max": max(values)}
