"""The runtime in this process, on loopback, with a config volume as the kubelet makes them."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import anthropic
import openai

from regent_api.seal import SEAL_KEY
from regent_runtime.main import Options, Runtime
from regent_runtime.record import TurnRecord
from regent_runtime.route.standing import Standing, standings
from regent_runtime.serve.status import PodIdentity
from tests.fakes import configs
from tests.fakes.sealing import AGENT_UID, Sealing
from tests.fakes.waiting import WAIT_SECONDS, eventually


class ConfigVolume:
    """`DIR/agent.json` -> `..data/agent.json`, where `..data` is swapped as the kubelet's atomic writer does."""

    def __init__(self, directory: Path, sealing: Sealing | None = None) -> None:
        self.directory = directory
        self.path = directory / "agent.json"
        self.sealing = sealing or Sealing()
        self._written = 0

    def write(self, content: bytes | dict[str, Any], seal: bytes | None = None) -> None:
        """Sealed as the operator does it, unless another seal is given; an empty one is left out."""
        self._written += 1
        version = self.directory / f"..version_{self._written}"
        version.mkdir(parents=True)
        document = content if isinstance(content, bytes) else json.dumps(content).encode()
        (version / "agent.json").write_bytes(document)
        if seal is None:
            seal = self.sealing.seal(document)
        if seal:
            (version / SEAL_KEY).write_bytes(seal)
        fresh = self.directory / "..data_tmp"
        fresh.symlink_to(version.name)
        fresh.replace(self.directory / "..data")
        if not self.path.is_symlink():
            self.path.symlink_to("..data/agent.json")


class Observed(Runtime):
    """Keeps the records of the turns that have ended."""

    def __init__(self, options: Options, pod: PodIdentity) -> None:
        super().__init__(options, pod)
        self.records: list[TurnRecord] = []

    def _ended(self, record: TurnRecord) -> None:
        super()._ended(record)
        self.records.append(record)


@dataclass
class Served:
    runtime: Observed
    volume: ConfigVolume
    credentials: Path
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.runtime.serving.port}"

    @property
    def status_url(self) -> str:
        return f"http://127.0.0.1:{self.runtime.telling.port}"

    def sdk(self, token: str | None = None, **options: Any) -> openai.AsyncOpenAI:
        options = {"max_retries": 0, "api_key": token or configs.token(), "base_url": f"{self.url}/v1", **options}
        return openai.AsyncOpenAI(**options)

    def anthropic(self, token: str | None = None, **options: Any) -> anthropic.AsyncAnthropic:
        options = {"max_retries": 0, "api_key": token or configs.token(), "base_url": self.url, **options}
        return anthropic.AsyncAnthropic(**options)

    async def post(
        self,
        body: Any,
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
        path: str = "/v1/chat/completions",
    ) -> tuple[int, dict[str, Any], Any]:
        """Status, answer, headers. `token` None: no Authorization; "": a good one."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or configs.token()}")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.url + path, data=io.BytesIO(data), headers=sent) as response:
            return response.status, await response.json(), response.headers

    async def ask(self, content: str = "Hi", **more: Any) -> tuple[int, dict[str, Any]]:
        status, answer, _ = await self.post({"messages": [{"role": "user", "content": content}], **more})
        return status, answer

    async def statusz(self) -> dict[str, Any]:
        async with self.http.get(f"{self.status_url}/statusz") as response:
            return await response.json()

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """statusz once it holds."""
        return await eventually(self.statusz, holds)

    def forget_standings(self) -> None:
        """As if no provider had ever failed."""
        snapshot = self.runtime.lifecycle.snapshot
        assert snapshot is not None
        fresh = standings(snapshot.config, {})
        cast("dict[str, Standing]", snapshot.standings).update(fresh)

    async def attempts(self) -> list[tuple[str, str, str]]:
        """(provider, outcome, detail) of each attempt of the last turn, once no turn runs."""
        await eventually(self.statusz, lambda status: status["turns"] == 0)
        return [(each.provider, each.outcome, each.detail) for each in self.runtime.records[-1].attempts]

    async def series(self, name: str) -> dict[str, float]:
        """Series of /metrics that begin with a name, once no turn runs."""
        await eventually(self.statusz, lambda status: status["turns"] == 0)
        async with self.http.get(f"{self.status_url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return {
            series: float(value)
            for series, _, value in (line.rpartition(" ") for line in lines if line.startswith(name))
        }

    def secret(self, name: str, **keys: str) -> None:
        folder = self.credentials / name
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in keys.items():
            (folder / key).write_text(value)


@asynccontextmanager
async def serving(
    directory: Path,
    document: dict[str, Any] | bytes | None,
    *,
    pod: str = "uid-1",
    sealing: Sealing | None = None,
    collector: str | None = None,
) -> AsyncIterator[Served]:
    """A running runtime; it has ended when the block is left. `collector`: its address; DIR/token is taken there. In a folder of an earlier one it is the same pod again."""
    volume = ConfigVolume(directory / "config", sealing)
    volume.directory.mkdir(parents=True, exist_ok=True)
    if document is not None:
        volume.write(document)
    credentials = directory / "credentials"
    options = Options(
        volume.path,
        credentials,
        directory / "audit",
        AGENT_UID,
        (volume.sealing.public,),
        directory / "state",
        host="127.0.0.1",
        port=0,
        status_port=0,
        collector=collector,
        collector_token=directory / "token",
    )
    options.state.mkdir(exist_ok=True)
    runtime = Observed(options, PodIdentity("helper-1", pod))
    running = asyncio.create_task(runtime.run())
    async with aiohttp.ClientSession() as http:
        served = Served(runtime, volume, credentials, http)
        try:
            await eventually(lambda: _listens(runtime))
            yield served
        finally:
            runtime.stop()
            runtime.stop()
            await asyncio.wait_for(running, WAIT_SECONDS)


async def _listens(runtime: Runtime) -> bool:
    return runtime.serving.started and runtime.telling.started
