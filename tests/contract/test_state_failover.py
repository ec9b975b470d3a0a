"""Another Redis behind the same name: what was kept goes on, nothing needs a restart, and an empty one begins anew."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.redis_server import KEEPING, RedisServer, redis_server
from tests.fakes import configs
from tests.fakes.provider import answers, provider
from tests.fakes.resolver import ELSEWHERE, loopback
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.rows import row

NAME = "redis.demo.svc"
ID = "x-regent-conversation"
TURNS = 3
"""How many the limit lets in, whichever servers count them."""
LOST = (503, "state_unavailable")


@dataclass
class Pair:
    served: Served
    primary: RedisServer
    replica: RedisServer

    async def ask(self, id_: str | None = None) -> tuple[int, str | None, str | None]:
        """Status, code of the refusal, and the answer's conversation."""
        headers = {"X-Regent-Conversation": id_} if id_ else {}
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        status, answer, got = await self.served.post(body, headers=headers)
        return status, answer.get("error", {}).get("code"), got.get(ID)

    async def begun(self) -> str:
        """A conversation that both servers know."""
        status, _, id_ = await self.ask()
        assert (status, bool(id_)) == (200, True)
        await eventually(self._replicated)
        return str(id_)

    async def _replicated(self) -> bool:
        offsets = [re.findall(r"master_repl_offset:(\d+)", await each.ask("INFO", "replication")) for each in self.both]
        return offsets[0] == offsets[1]

    @property
    def both(self) -> tuple[RedisServer, RedisServer]:
        return self.primary, self.replica

    async def promote(self) -> None:
        """The replica becomes the primary, and the name leads to it."""
        await self.replica.ask("REPLICAOF", "NO", "ONE")
        ELSEWHERE[NAME] = [self.replica.host]

    async def goes_on(self, id_: str) -> None:
        """Until a turn of the conversation is answered; then the window has room for one turn less than before."""
        found = await eventually(lambda: self.ask(id_), lambda found: found[:2] != LOST)
        assert found == (200, None, id_)
        assert await self.ask(id_) == (200, None, id_)
        assert (await self.ask(id_))[:2] == (429, "rate_limit_exceeded"), "what the other server counted counts"


@asynccontextmanager
async def paired(tmp_path: Path) -> AsyncIterator[Pair]:
    async with redis_server(tmp_path) as primary:
        options = ("--replicaof", primary.host, str(primary.port), "--repl-diskless-sync-delay", "0")
        (tmp_path / "replica").mkdir()
        async with (
            redis_server(tmp_path / "replica", *options, host="127.0.0.2", port=primary.port) as replica,
            provider(answers("Hi.")) as fake,
            serving(tmp_path / "pod", document(fake.url, primary.port)) as served,
        ):
            ELSEWHERE[NAME] = [primary.host]
            await eventually(lambda: replica.ask("INFO", "replication"), lambda said: "master_link_status:up" in said)
            yield Pair(served, primary, replica)


def document(url: str, port: int) -> dict[str, Any]:
    limit = {"policy": "demo/limits", "per": "Caller", "requestsPerHour": TURNS}
    state = {"conversations": True, "redis": {"url": f"redis://{NAME}:{port}"}}
    return configs.document(configs.provider_config("local", url), state=state, policy={"limits": [limit]})


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    ELSEWHERE.clear()
    monkeypatch.setattr("socket.getaddrinfo", loopback)


@row("the server is gone, or refuses connections")
async def test_a_server_that_kept_what_it_was_told_goes_on_where_it_was(tmp_path: Path) -> None:
    async with (
        redis_server(tmp_path, *KEEPING) as server,
        provider(answers("Hi.")) as fake,
        serving(tmp_path / "pod", document(fake.url, server.port)) as served,
    ):
        ELSEWHERE[NAME] = [server.host]
        pair = Pair(served, server, server)
        id_ = await pair.begun()
        await server.kill()
        assert (await pair.ask(id_))[:2] == LOST
        await server.start()
        await pair.goes_on(id_)


@row("it dies, and the host's name leads to its replica, which was promoted")
async def test_when_the_primary_dies_its_replica_goes_on_behind_the_same_name(tmp_path: Path) -> None:
    async with paired(tmp_path) as pair:
        id_ = await pair.begun()
        await pair.primary.kill()
        assert (await pair.ask(id_))[:2] == LOST
        await pair.promote()
        await pair.goes_on(id_)


@row("it becomes a replica itself, while the connection stands")
async def test_a_primary_that_became_a_replica_is_left_for_the_one_that_the_name_leads_to(tmp_path: Path) -> None:
    """The connection to it stands all the time: only its answers tell."""
    async with paired(tmp_path) as pair:
        id_ = await pair.begun()
        await pair.promote()
        await pair.primary.ask("REPLICAOF", pair.replica.host, str(pair.replica.port))
        assert (await pair.ask(id_))[:2] == LOST
        async with pair.served.http.get(f"{pair.served.status_url}/metrics") as response:
            assert 'regent_state_errors_total{reason="error_readonly"}' in await response.text()
        await pair.goes_on(id_)


@row("it comes back empty")
async def test_a_server_that_comes_back_empty_knows_no_conversation_and_counts_from_nothing(tmp_path: Path) -> None:
    async with paired(tmp_path) as pair:
        id_ = await pair.begun()
        await pair.primary.kill()
        assert (await pair.ask(id_))[:2] == LOST
        await pair.primary.start()
        found = await eventually(lambda: pair.ask(id_), lambda found: found[:2] != LOST)
        assert found == (404, "conversation_not_found", None)
        assert [(await pair.ask())[0] for _ in range(TURNS)] == [200] * (TURNS - 1) + [429]
