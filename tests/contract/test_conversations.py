"""Conversations over HTTP: whose they are, what label they keep, and what is left of them elsewhere."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.redis_server import KEEPING, redis_server
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import answers, gated, provider
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.rows import row

BODY = {"messages": [{"role": "user", "content": "Hi"}]}
ID = "x-regent-conversation"


async def ask(served: Served, id_: str | None = None, *, label: str | None = None, name: str = "caller") -> Any:
    """Status, code of the refusal or None, and the answer's conversation."""
    headers = {"X-Regent-Conversation": id_} if id_ else {}
    headers |= {"X-Regent-Sensitivity": label} if label else {}
    status, answer, got = await served.post(BODY, token=configs.token(name), headers=headers)
    return status, answer.get("error", {}).get("code"), got.get(ID)


@pytest.fixture
def document() -> Any:
    def made(url: str, **state: Any) -> dict[str, Any]:
        return configs.document(configs.provider_config("local", url), state={"conversations": True, **state})

    return made


async def test_an_answer_brings_an_id_and_the_id_leads_back(tmp_path: Path, document: Any) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        status, _, one = await ask(served)
        assert status == 200
        assert len(one) == 24
        assert await ask(served, one) == (200, None, one)
        _, _, other = await ask(served)
        assert other not in {None, one}


async def test_a_stream_brings_the_id_too(tmp_path: Path, document: Any) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        headers = {"Authorization": f"Bearer {configs.token()}"}
        url = f"{served.url}/v1/chat/completions"
        async with served.http.post(url, json={**BODY, "stream": True}, headers=headers) as stream:
            id_ = stream.headers[ID]
        assert (await ask(served, id_))[0] == 200


async def test_anothers_and_an_unknown_conversation_are_not_found_alike(tmp_path: Path, document: Any) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        _, _, mine = await ask(served)
        missing = (404, "conversation_not_found", None)
        assert await ask(served, mine, name="other") == missing
        assert await ask(served, "A" * 24) == missing
        assert await ask(served, "../../etc/passwd") == missing
        assert await ask(served, "x") == missing
        assert await ask(served, f"{mine}, {mine}") == missing
        assert len(fake.requests) == 1


async def test_a_label_once_reached_is_kept(tmp_path: Path, document: Any) -> None:
    """Confidential in one turn: a provider for Internal data sees no later turn of that conversation."""
    async with provider(answers("Inside.")) as inside, provider(answers("Outside.")) as outside:
        low = configs.provider_config("low", outside.url, maxSensitivity="Internal")
        base = configs.document(low, configs.provider_config("high", inside.url), state={"conversations": True})
        async with serving(tmp_path, base) as served:
            _, _, id_ = await ask(served)
            assert (len(outside.requests), len(inside.requests)) == (1, 0)
            await ask(served, id_, label="Confidential")
            assert (await ask(served, id_, label="Internal"))[0] == 200
            assert (await ask(served, id_))[0] == 200
            assert (len(outside.requests), len(inside.requests)) == (1, 3)
            assert [record.sensitivity for record in served.runtime.records] == ["Internal", *["Confidential"] * 3]
            await ask(served)
            assert len(outside.requests) == 2, "another conversation begins at the floor"


async def test_a_label_reached_by_a_turn_that_was_refused_is_kept_too(tmp_path: Path, document: Any) -> None:
    classes = {"Restricted": {"aiProcessing": ["Deny"]}}
    async with provider() as fake:
        base = configs.merged(document(fake.url), {"policy": {"data": {"classes": classes}}})
        async with serving(tmp_path, base) as served:
            _, _, id_ = await ask(served)
            assert (await ask(served, id_, label="Restricted"))[:2] == (403, "data_class_forbidden")
            assert (await ask(served, id_))[:2] == (403, "data_class_forbidden")
            assert len(fake.requests) == 1


async def test_deleting_with_the_official_client(tmp_path: Path, document: Any) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        _, _, id_ = await ask(served)
        with pytest.raises(openai.NotFoundError):
            await served.sdk(configs.token("other")).conversations.delete(id_)
        assert (await ask(served, id_))[0] == 200
        deleted = await served.sdk().conversations.delete(id_)
        assert (deleted.id, deleted.deleted, deleted.object) == (id_, True, "conversation.deleted")
        assert await ask(served, id_) == (404, "conversation_not_found", None)
        with pytest.raises(openai.NotFoundError):
            await served.sdk().conversations.delete(id_)


async def test_deleting_needs_a_caller(tmp_path: Path, document: Any) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        _, _, id_ = await ask(served)
        async with served.http.delete(f"{served.url}/v1/conversations/{id_}") as response:
            assert response.status == 401
        async with served.http.get(f"{served.url}/v1/conversations/{id_}") as response:
            assert (response.status, response.headers["allow"]) == (405, "DELETE")
        assert (await ask(served, id_))[0] == 200


async def test_where_none_are_kept_turns_go_on_as_ever_and_ids_are_unknown(tmp_path: Path, document: Any) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url, conversations=False)) as served:
        assert await ask(served) == (200, None, None)
        assert await ask(served, "A" * 24) == (404, "conversation_not_found", None)
        with pytest.raises(openai.NotFoundError):
            await served.sdk().conversations.delete("A" * 24)


async def test_a_new_config_forgets_no_conversation(tmp_path: Path, document: Any) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        _, _, id_ = await ask(served, label="Restricted")
        before = (await served.statusz())["digests"]["config"]
        served.volume.write(configs.merged(document(fake.url), {"instructions": "Be brief."}))
        await served.until(lambda status: status["digests"]["config"] != before)
        assert (await ask(served, id_))[0] == 200
        assert served.runtime.records[-1].sensitivity == "Restricted"


async def test_pods_that_share_a_redis_share_conversations(tmp_path: Path, document: Any) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        base = document(fake.url, redis={"url": server.url})
        async with serving(tmp_path / "one", base) as one, serving(tmp_path / "two", base) as two:
            _, _, id_ = await ask(one, label="Confidential")
            assert await ask(two, id_) == (200, None, id_)
            await two.until(lambda status: status["turns"] == 0)
            assert two.runtime.records[-1].sensitivity == "Confidential"
            assert (await ask(two, id_, name="other"))[0] == 404
            await two.sdk().conversations.delete(id_)
            assert (await ask(one, id_))[0] == 404


@row("a new conversation (no id in the request)")
@row("the conversation of an id")
@row("DELETE /v1/conversations/ID")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_while_redis_is_away(tmp_path: Path, document: Any, on_error: str) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        base = configs.merged(document(fake.url, redis={"url": server.url}), {"policy": {"onStateError": on_error}})
        async with serving(tmp_path, base) as served:
            _, _, id_ = await ask(served)
            await server.kill()
            away = (503, "state_unavailable", None)
            allowed = away if on_error == "Deny" else (200, None, None)
            assert await ask(served) == allowed
            assert await ask(served, id_) == allowed, "its label counts as unlabelled"
            assert await ask(served, id_, label="Confidential") == away, "what cannot be remembered is not said"
            assert await ask(served, "x") == (404, "conversation_not_found", None)
            with pytest.raises(openai.InternalServerError):
                await served.sdk().conversations.delete(id_)
            await server.start()
            await eventually(lambda: ask(served), lambda found: found[2] is not None)


@row("the end that a turn asked for (X-Regent-Conversation-End)")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_an_end_that_cannot_be_kept_holds_no_answer_back(tmp_path: Path, document: Any, on_error: str) -> None:
    gate = asyncio.Event()
    async with (
        redis_server(tmp_path, *KEEPING) as server,
        provider(answers("Hi."), gated(gate, "Hel", "lo."), answers("Hi.")) as fake,
    ):
        base = configs.merged(document(fake.url, redis={"url": server.url}), {"policy": {"onStateError": on_error}})
        async with serving(tmp_path, base) as served:
            _, _, id_ = await ask(served)
            headers = {"Authorization": f"Bearer {configs.token()}", "X-Regent-Conversation": id_}
            headers["X-Regent-Conversation-End"] = "true"
            url = f"{served.url}/v1/chat/completions"
            async with served.http.post(url, json={**BODY, "stream": True}, headers=headers) as stream:
                await stream.content.readany()
                await server.kill()
                gate.set()
                assert b"[DONE]" in await stream.read()
            await server.start()
            found = await eventually(lambda: ask(served, id_), lambda found: found[2] is not None)
            assert found == (200, None, id_), "it goes on, until it is idle"


@row("the conversation of an id", "Local")
@enforces("data.unlabelled")
@pytest.mark.parametrize("unlabelled", ["Internal", "Confidential", None])
async def test_what_was_said_where_the_label_is_away_counts_as_unlabelled(
    tmp_path: Path, unlabelled: str | None
) -> None:
    """A provider for Internal data sees such turns only where the policy says that they are no more than that."""
    async with redis_server(tmp_path) as server, provider() as low, provider() as high:
        base = configs.document(
            configs.provider_config("low", low.url, maxSensitivity="Internal"),
            configs.provider_config("high", high.url),
            state={"conversations": True, "redis": {"url": server.url}},
            policy={"onStateError": "Local", "data": {"unlabelled": unlabelled} if unlabelled else {}},
        )
        async with serving(tmp_path, base) as served:
            _, _, id_ = await ask(served)
            await server.kill()
            assert (await ask(served, id_))[0] == 200
            await served.until(lambda status: status["turns"] == 0)
            assert served.runtime.records[-1].sensitivity == (unlabelled or "Restricted")
            assert (len(low.requests), len(high.requests)) == ((2, 0) if unlabelled == "Internal" else (1, 1))


@enforces("data.classes.*.retention")
async def test_a_conversation_is_kept_no_longer_than_its_class_lets_it(tmp_path: Path, document: Any) -> None:
    classes = {"Confidential": {"retentionSeconds": 7200}, "Restricted": {"retentionSeconds": 864_000}}
    async with redis_server(tmp_path) as server, provider() as fake:
        base = document(fake.url, redis={"url": server.url})
        async with serving(tmp_path, configs.merged(base, {"policy": {"data": {"classes": classes}}})) as served:
            for label, seconds in (("Internal", 86_400), ("Confidential", 7200), ("Restricted", 86_400)):
                _, _, id_ = await ask(served, label=label)
                (key,) = (key for key in await server.ask("KEYS", "*") if key.endswith(id_))
                left = int(await server.ask("PTTL", key)) / 1000
                assert seconds - 600 < left <= seconds


async def test_nothing_readable_of_a_caller_is_kept(tmp_path: Path, document: Any) -> None:
    async with (
        redis_server(tmp_path) as server,
        provider(answers("Hi.")) as fake,
        serving(tmp_path, document(fake.url, redis={"url": server.url})) as served,
    ):
        await ask(served, name="rosalind")
        await ask(served, name="rosalind")
        keys = await server.ask("KEYS", "*")
        found = [await server.ask("DUMP", key) for key in keys]
        assert len(keys) == 5
        assert "rosalind" not in repr([keys, found])
