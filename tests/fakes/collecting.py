"""The collector as a process of its own, beside a stand-in for the API server's public keys; and pods that send to it."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from regent_api.audit.chain import Chain
from regent_api.audit.frame import RECORD, frame
from regent_api.audit.note import Verifier
from regent_api.audit.record import Kind, Record
from tests.fakes import configs
from tests.fakes.ports import held_port
from tests.fakes.waiting import WAIT_SECONDS, eventually

POD = "0f6a1c52-0000-4000-8000-000000000001"
OTHER_POD = "0f6a1c52-0000-4000-8000-000000000002"


def token(pod: str = POD, agent: str = "helper", namespace: str = "demo", **claims: Any) -> str:
    """A projected token of the collector's audience, as the kubelet gets it for a pod."""
    bound = {"namespace": namespace, "serviceaccount": {"name": agent, "uid": "u"}, "pod": {"name": "p", "uid": pod}}
    return configs.token(agent, namespace, **{"audience": "regent-collector", "kubernetes.io": bound, **claims})


@dataclass
class Writer:
    """A log as a pod seals it."""

    pod: str = POD
    agent: str = "helper"
    namespace: str = "demo"
    chain: Chain = field(init=False)
    payloads: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain = Chain(f"{self.namespace}/{self.agent}/{self.pod}")

    def write(self, count: int = 1, **facts: Any) -> list[bytes]:
        """So many records more; their payloads."""
        made = []
        for _ in range(count):
            size = self.chain.size
            whole = {"agent": f"{self.namespace}/{self.agent}", "kind": Kind.OUTCOME, "outcome": "answered", **facts}
            made.append(self.chain.seal(Record(id=f"r{size}", time="2026-11-26T00:00:00.000000Z", **whole)))
        self.payloads += made
        return made


def body(payloads: Sequence[bytes]) -> bytes:
    return b"".join(frame(RECORD, payload) for payload in payloads)


class ClusterKeys:
    """The API server's discovery documents, on loopback. `jwks` may be changed while it runs."""

    def __init__(self) -> None:
        self.jwks: dict[str, Any] = configs.JWKS
        self.asked = 0
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._discovery)
        application.router.add_get("/openid/v1/jwks", self._keys)
        self.runner = web.AppRunner(application, access_log=None)

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response({"issuer": configs.ISSUER})

    async def _keys(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.jwks)


@asynccontextmanager
async def cluster_keys() -> AsyncIterator[tuple[ClusterKeys, str]]:
    """The stand-in and its address."""
    keys = ClusterKeys()
    await keys.runner.setup()
    await web.TCPSite(keys.runner, "127.0.0.1", 0).start()
    try:
        yield keys, f"http://127.0.0.1:{keys.runner.addresses[0][1]}"
    finally:
        await keys.runner.cleanup()


class CollectorProcess:
    """`python -I -m regent_operator.collector` over one folder; it can be killed and started again.

    `ports`: its own and its status' one, held for it; 0: any.
    """

    def __init__(
        self, folder: Path, api_server: str, flags: Sequence[str] = (), ports: tuple[int, int] = (0, 0)
    ) -> None:
        self.data = folder / "data"
        self.logs = self.data / "logs"
        self.port, self._status_port = ports
        self._flags = flags
        self._key = folder / "ed25519.pem"
        self._kubeconfig = folder / "kubeconfig"
        self._process: asyncio.subprocess.Process | None = None
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._key.write_bytes(pem)
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        named = {"clusters": [{"name": "c", "cluster": {"server": api_server}}], "users": [{"name": "u", "user": {}}]}
        self._kubeconfig.write_text(yaml.safe_dump({"current-context": "c", "contexts": [context], **named}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def status_url(self) -> str:
        return f"http://127.0.0.1:{self._status_port}"

    async def start(self) -> None:
        """Returns when it is ready. Started again, it listens where it did before."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "regent_operator.collector", "--data", str(self.data)),
            *("--signing-key", str(self._key), "--name", "collector", "--kubeconfig", str(self._kubeconfig)),
            *("--host", "127.0.0.1", "--port", str(self.port), "--status-port", str(self._status_port), *self._flags),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        while True:
            line = (await asyncio.wait_for(self._process.stderr.readline(), WAIT_SECONDS)).decode()
            found = re.search(r"collecting on (\d+), status on (\d+)", line)
            if found:
                break
            assert line, "the collector ended before it served"
        self.port, self._status_port = int(found[1]), int(found[2])
        await eventually(self._ready, lambda status: status == 200)

    async def kill(self) -> None:
        """SIGKILL: nothing is said goodbye to."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        await asyncio.wait_for(process.communicate(), WAIT_SECONDS)
        return process.returncode or 0

    async def lines(self, count: int) -> list[bytes]:
        """So many lines of its standard output."""
        assert self._process is not None
        assert self._process.stdout is not None
        return [await asyncio.wait_for(self._process.stdout.readline(), WAIT_SECONDS) for _ in range(count)]

    async def said(self, path: str) -> str:
        async with aiohttp.ClientSession() as http, http.get(self.status_url + path) as answer:
            return await answer.text()

    async def verifier(self) -> Verifier:
        return Verifier.parse(await self.said("/key"))

    async def _ready(self) -> int:
        async with aiohttp.ClientSession() as http, http.get(self.status_url + "/readyz") as answer:
            return answer.status

    async def post(
        self, payloads: Sequence[bytes] | bytes, bearer: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """What it answers to records; `bearer` "": no token."""
        data = payloads if isinstance(payloads, bytes) else body(payloads)
        return await self.call("POST", "/v1/log", data, bearer, **headers)

    async def take(self, payloads: Sequence[bytes]) -> int:
        """How many records it says are kept, these among them."""
        status, said = await self.post(payloads)
        assert status == 200, said
        return int(said["size"])

    async def held(self) -> int:
        status, said = await self.call("GET", "/v1/log")
        assert status == 200, said
        return int(said["size"])

    async def call(
        self, method: str, path: str, data: bytes = b"", bearer: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        sent = dict(headers)
        if bearer != "":
            sent["Authorization"] = f"Bearer {bearer or token()}"
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, self.url + path, data=data, headers=sent) as answer,
        ):
            return answer.status, await answer.json()


@asynccontextmanager
async def collector(folder: Path, *flags: str) -> AsyncIterator[CollectorProcess]:
    async with cluster_keys() as (_, address):
        with held_port() as port, held_port() as status_port:
            made = CollectorProcess(folder, address, flags, (port, status_port))
            await made.start()
            try:
                yield made
            finally:
                await made.kill()
