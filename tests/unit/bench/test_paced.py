"""Edits at a pace: they leave when they are due, and their waits are read from the API server's account."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from regent_operator.engine.access import ClusterAccess
from tests.api.running_operator import USER
from tests.bench.account import Account
from tests.bench.paced import AGENT, Applied, Sent, applied, are_applied, edit, figures, pace
from tests.cluster import Request

ONE, TWO = ("acme", "one"), ("acme", "two")
SENT = [Sent(ONE, 0.0, 16, 200, 2), Sent(TWO, 0.05, 17, 200, 5)]


def request(at: float, resource: str, name: str = "one", **more: Any) -> Request:
    moment = f"1970-01-01T00:00:{at:09.6f}Z"
    made = Request(USER, "", "patch", "", resource, "", "acme", name, "", 200, "", (), moment)
    return replace(made, **more)


def edited(at: float, name: str = "one") -> Request:
    return request(at, "aiagents", name, user="admin", agent=AGENT)


def told(at: float, name: str, generation: int, status: str = "True", reason: str = "Ready") -> Request:
    condition = {"type": "Ready", "status": status, "reason": reason, "observedGeneration": generation}
    return request(at, "aiagents", name, subresource="status", body={"status": {"conditions": [condition]}})


def test_waits_run_from_the_servers_receipt_to_config_and_to_ready_under_that_generation() -> None:
    asked = [
        request(0.5, "configmaps"),
        edited(1.0),
        edited(1.25, "two"),
        told(1.5, "one", 1),
        request(2.0, "configmaps"),
        told(2.5, "one", 2, "False", "NotYetEnforced"),
        told(3.0, "one", 2),
        request(3.25, "configmaps", "two"),
        told(9.0, "one", 2),
    ]
    one, two = applied(SENT, asked)
    assert one == Applied(1.0, 1.0, 2.0)
    assert two == Applied(1.2, 2.0, None)
    assert are_applied([one])
    assert not are_applied([one, two])


def test_an_edit_that_was_refused_is_waited_for_by_nobody() -> None:
    assert applied([Sent(ONE, 0.0, 16, 422, None)], [edited(1.0)]) == []


def test_a_status_that_was_refused_tells_nothing() -> None:
    (one,) = applied(SENT[:1], [edited(1.0), replace(told(2.0, "one", 2), code=409)])
    assert one.ready is None


def test_figures_are_those_of_all_edits() -> None:
    found = figures([Applied(0.0, float(n), 2.0 * n) for n in range(101)])
    assert found["edits"] == 101
    assert found["to_config_seconds"] == {"p50": 50.0, "p99": 99.0, "max": 100.0}
    assert found["to_ready_seconds"] == {"p50": 100.0, "p99": 198.0, "max": 200.0}


def test_a_pace_that_was_not_held_is_told() -> None:
    assert pace([0.01, 0.02]) == "held: the API server received each edit within 0.02 s of its moment"
    assert pace([0.01, 2.0]) == "not held: the API server received 1 of 2 edits late, by 2.00 s at the worst"


async def test_a_server_that_answers_late_does_not_slow_the_pace() -> None:
    """No edit is answered before the last one has come."""
    agents = [("acme", f"a{number}") for number in range(60)]
    came: list[float] = []
    all_came = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        came.append(time.monotonic())
        if len(came) == len(agents):
            all_came.set()
        await all_came.wait()
        return web.json_response({"metadata": {"generation": 7}})

    server = web.Server(answer)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    sent = await edit(ClusterAccess(f"http://127.0.0.1:{port}"), agents, rate=600)
    listening.close()
    await server.shutdown()
    assert [(one.agent, one.status, one.generation) for one in sent] == [(agent, 200, 7) for agent in agents]
    assert [round((one.due - sent[0].due) * 600) for one in sent] == list(range(60))
    assert len({one.tokens for one in sent}) == 60


async def test_an_edit_that_is_refused_or_lost_is_told_so() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.json_response({}, status=422)

    server = web.Server(answer)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    (refused,) = await edit(ClusterAccess(f"http://127.0.0.1:{port}"), [ONE], rate=20)
    listening.close()
    await server.shutdown()
    (lost,) = await edit(ClusterAccess(f"http://127.0.0.1:{port}"), [ONE], rate=20)
    assert (refused.status, refused.generation, lost.status, lost.generation) == (422, None, 0, None)


@pytest.fixture
def account() -> Account:
    return Account(None, 0)


def take(account: Account, *requests: Request) -> set[tuple[str, str]]:
    for each in requests:
        account._take(each)
    return account.configured & account.told & account.ready


def test_an_agent_is_settled_when_it_was_told_ready_after_its_config(account: Account) -> None:
    assert take(account, told(0.5, "one", 1)) == set()
    assert take(account, request(1.0, "configmaps")) == set()
    assert take(account, told(2.0, "one", 1, "False", "NotYetEnforced")) == set()
    assert take(account, replace(told(2.5, "one", 1), code=409)) == set()
    assert take(account, told(3.0, "one", 1)) == {ONE}


def test_a_status_without_conditions_leaves_ready_as_it_was(account: Account) -> None:
    account.ready.add(ONE)
    silent = request(2.0, "aiagents", subresource="status", body={"status": {"digests": {"config": "x"}}})
    assert take(account, request(1.0, "configmaps"), silent) == {ONE}
