"""The approval of a turn from end to end: the official client, an approver over HTTP, and a provider that records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.dev_session import REGENT
from tests.contract.redis_server import RedisServer, redis_server
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import Provider, provider
from tests.fakes.serving import Served, serving

MESSAGES: list[Any] = [{"role": "user", "content": "The plan is secret; ask ann@example.com."}]
LEAD = "system:serviceaccount:demo:lead"
CALLER = "system:serviceaccount:demo:caller"


def document(url: str, *, anonymize: bool = False, **approvals: Any) -> dict[str, Any]:
    classes = {label: {"aiProcessing": ["Approve"], "anonymize": anonymize} for label in ("Internal", "Confidential")}
    stated = {"approvers": [[{"subjects": [LEAD, CALLER]}]], **approvals}
    return configs.document(
        configs.provider_config("local", url), policy={"data": {"classes": classes}, "approvals": stated}
    )


@asynccontextmanager
async def agent(tmp_path: Path, **policy: Any) -> AsyncIterator[tuple[Served, Provider]]:
    async with provider() as fake, serving(tmp_path, document(fake.url, **policy)) as served:
        yield served, fake


async def ask(served: Served, approval: str | None = None, *, caller: str = "caller", **more: Any) -> str:
    """The text of the answer."""
    headers = {"X-Regent-Approval": approval} if approval is not None else {}
    asked = {"model": "any", "messages": MESSAGES, "extra_headers": headers, **more}
    async with served.sdk(configs.token(caller)) as client:
        answer: Any = await client.chat.completions.create(**asked)
        if not asked.get("stream"):
            return str(answer.choices[0].message.content)
        return "".join([each.choices[0].delta.content or "" async for each in answer])


async def refused(served: Served, approval: str | None = None, **more: Any) -> openai.PermissionDeniedError:
    with pytest.raises(openai.PermissionDeniedError) as error:
        await ask(served, approval, **more)
    return error.value


async def requested(served: Served, **more: Any) -> str:
    error = await refused(served, **more)
    assert error.code == "approval_required"
    assert isinstance(error.body, dict)
    return str(error.body["approval"]["id"])


async def approvals(
    served: Served, method: str, id_: str, *, approver: str | None = "lead", body: Any = None
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {configs.token(approver)}"} if approver else {}
    url = f"{served.url}/v1/approvals/{id_}"
    async with served.http.request(method, url, headers=headers, json=body) as response:
        return response.status, await response.json()


async def decide(served: Served, id_: str, decision: str = "Approve", approver: str | None = "lead") -> tuple[int, Any]:
    status, answer = await approvals(served, "POST", id_, approver=approver, body={"decision": decision})
    return status, answer["error"]["code"] if "error" in answer else answer["status"]


@enforces("data.classes.*.aiProcessing", "approvals.approvers.subjects")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_passes_once_it_is_approved(tmp_path: Path, stream: bool) -> None:
    async with agent(tmp_path) as (served, fake):
        id_ = await requested(served, stream=stream)
        assert (await refused(served, id_, stream=stream)).code == "approval_pending"
        assert [tuple(record.decisions[-1].wire().values()) for record in served.runtime.records] == [
            ("class", "Deny", "data.classes.Internal.aiProcessing", code)
            for code in ("approval_required", "approval_pending")
        ]
        status, shown = await approvals(served, "GET", id_)
        assert (status, shown["status"], shown["caller"], shown["sensitivity"], shown["messages"]) == (
            200,
            "Pending",
            CALLER,
            "Internal",
            MESSAGES,
        )
        assert fake.connections == 0

        assert await decide(served, id_) == (200, "Approved")
        assert await ask(served, id_, stream=stream) == "Hello."
        assert len(fake.requests) == 1
        assert (await refused(served, id_, stream=stream)).code == "approval_invalid"
        assert len(fake.requests) == 1
        (used,) = (each for each in served.runtime.records[-2].decisions if each.reason == "approved")
        assert used.field == "data.classes.Internal.aiProcessing"


async def test_a_denied_turn_does_not_pass(tmp_path: Path) -> None:
    async with agent(tmp_path) as (served, fake):
        id_ = await requested(served)
        assert await decide(served, id_, "Deny") == (200, "Denied")

        assert (await refused(served, id_)).code == "approval_denied"
        assert await decide(served, id_) == (409, "approval_decided")
        assert fake.connections == 0


@enforces("approvals.approvers.groups", "approvals.approvers.subjects")
async def test_nobody_else_sees_or_decides(tmp_path: Path) -> None:
    async with agent(tmp_path) as (served, _):
        id_ = await requested(served)
        for method, body in (("GET", None), ("POST", {"decision": "Approve"})):
            status, answer = await approvals(served, method, id_, approver="other", body=body)
            assert (status, answer["error"]["code"]) == (403, "not_an_approver")
            assert "plan" not in str(answer)
            status, answer = await approvals(served, method, id_, approver=None, body=body)
            assert (status, answer["error"]["code"]) == (401, "token_missing")
        assert (await refused(served, id_)).code == "approval_pending"


@enforces("approvals.fourEyes")
async def test_a_caller_does_not_approve_its_own_turn(tmp_path: Path) -> None:
    async with agent(tmp_path / "four") as (served, _):
        id_ = await requested(served)
        assert await decide(served, id_, approver="caller") == (403, "own_approval")
        assert (await refused(served, id_)).code == "approval_pending"
    async with agent(tmp_path / "two", fourEyes=False) as (served, _):
        id_ = await requested(served)
        assert await decide(served, id_, approver="caller") == (200, "Approved")
        await ask(served, id_)


@enforces("approvals.ttl")
async def test_it_expires(tmp_path: Path) -> None:
    async with agent(tmp_path, ttlSeconds=0.000001) as (served, _):
        id_ = await requested(served)

        assert await decide(served, id_) == (404, "not_found")
        assert (await refused(served, id_)).code == "approval_invalid"


@pytest.mark.parametrize(
    "changed",
    [
        {"messages": [{"role": "user", "content": "The plan is secret; ask bob@example.com."}]},
        {"temperature": 0.1},
        {"stream": True},
        {"caller": "other"},
        {"extra_headers": {"X-Regent-Sensitivity": "Confidential"}},
    ],
    ids=["words", "parameter", "stream", "caller", "label"],
)
async def test_it_is_for_that_turn_alone(tmp_path: Path, changed: dict[str, Any]) -> None:
    async with agent(tmp_path) as (served, fake):
        id_ = await requested(served)
        assert await decide(served, id_) == (200, "Approved")

        more = {**changed}
        if "extra_headers" in more:
            more["extra_headers"] = {**more["extra_headers"], "X-Regent-Approval": id_}
        assert (await refused(served, id_, **more)).code == "approval_invalid"
        assert fake.connections == 0
        await ask(served, id_)


async def test_it_ends_with_the_policy_under_which_it_was_asked_for(tmp_path: Path) -> None:
    async with agent(tmp_path) as (served, fake):
        id_ = await requested(served)
        assert await decide(served, id_) == (200, "Approved")
        before = (await served.statusz())["digests"]["policy"]

        served.volume.write(configs.merged(document(fake.url), {"policy": {"size": {"maxOutputTokens": 7}}}))
        await served.until(lambda status: status["digests"]["policy"] != before)

        assert (await refused(served, id_)).code == "approval_invalid"
        assert fake.connections == 0


async def test_an_approver_sees_what_the_model_would_see(tmp_path: Path) -> None:
    async with agent(tmp_path, anonymize=True) as (served, fake):
        id_ = await requested(served)

        _, shown = await approvals(served, "GET", id_)

        assert "ann@example.com" not in str(shown)
        await decide(served, id_)
        await ask(served, id_)
        kinds = [
            text["content"].partition("[")[2][:7]
            for text in (shown["messages"][0], fake.requests[0].body["messages"][1])
        ]
        assert kinds == ["EMAIL_1", "EMAIL_1"]


@pytest.mark.parametrize("body", [{}, {"decision": "approve"}, {"decision": "Approve", "more": 1}, [], "Approve"])
async def test_a_malformed_decision_is_refused(tmp_path: Path, body: Any) -> None:
    async with agent(tmp_path) as (served, _):
        id_ = await requested(served)
        status, answer = await approvals(served, "POST", id_, body=body)
        assert (status, answer["error"]["code"]) == (400, "invalid_value")
        assert (await refused(served, id_)).code == "approval_pending"


async def regent_approve(served: Served, tmp_path: Path, *words: str, answer: str = "") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    (tmp_path / "token").write_text(configs.token("lead"))
    command = [*REGENT, "approve", *words, "--endpoint", served.url, "--token-file", str(tmp_path / "token")]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    out, err = await process.communicate(answer.encode())
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_shows_asks_and_decides(tmp_path: Path) -> None:
    async with agent(tmp_path) as (served, _):
        id_ = await requested(served)
        code, out, err = await regent_approve(served, tmp_path, id_, "--show")
        assert (code, err) == (0, "")
        assert "user: The plan is secret; ask ann@example.com.\n" in out

        for answer in ("n\n", ""):
            code, out, err = await regent_approve(served, tmp_path, id_, answer=answer)
            assert (code, err) == (0, "nothing was decided\n")
            assert (await refused(served, id_)).code == "approval_pending"

        code, out, err = await regent_approve(served, tmp_path, id_, "--yes")
        assert (code, out, err) == (0, "Approved\n", "")
        await ask(served, id_)

        code, out, err = await regent_approve(served, tmp_path, id_, "--deny", "--yes")
        assert (code, out, err) == (4, "", "error: There is no such approval, or no longer.\n")


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[tuple[Served, Served, Provider, RedisServer]]:
    """Two pods of one agent, their provider and the Redis that they share."""
    async with redis_server(tmp_path) as redis, provider() as fake:
        shared = configs.merged(document(fake.url), {"state": {"redis": {"url": redis.url}}})
        async with serving(tmp_path / "one", shared) as one, serving(tmp_path / "two", shared) as two:
            yield one, two, fake, redis


async def test_every_replica_knows_it_and_one_of_them_uses_it(
    replicas: tuple[Served, Served, Provider, RedisServer],
) -> None:
    one, two, fake, redis = replicas
    id_ = await requested(one)
    assert await decide(two, id_) == (200, "Approved")
    kept = repr([await redis.ask("DUMP", key) for key in await redis.ask("KEYS", "*")])
    assert id_ not in kept
    assert "secret" not in kept

    used = await asyncio.gather(*(ask(pod, id_) for pod in (one, two) * 8), return_exceptions=True)

    assert [answer for answer in used if isinstance(answer, str)] == ["Hello."]
    assert {each.code for each in used if isinstance(each, openai.PermissionDeniedError)} == {"approval_invalid"}
    assert len(fake.requests) == 1


async def test_without_the_state_nothing_passes(replicas: tuple[Served, Served, Provider, RedisServer]) -> None:
    one, _, fake, redis = replicas
    id_ = await requested(one)
    assert await decide(one, id_) == (200, "Approved")

    await redis.kill()

    for approval in (None, id_):
        with pytest.raises(openai.InternalServerError) as error:
            await ask(one, approval)
        assert error.value.code == "state_unavailable"
    status, answer = await approvals(one, "GET", id_)
    assert (status, answer["error"]["code"]) == (503, "state_unavailable")
    assert fake.connections == 0
