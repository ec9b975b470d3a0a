"""A kubelet without a node: pods become ready, and answer /statusz honestly.

It stands in for kubelet and runtime on the control tier, where no pod can run. What a pod says is computed from the
config that it was offered, or the ConfigMap as it was mounted: read when the pod starts, again when the pod object is
touched (the real kubelet does that within a second), and otherwise only every ten seconds. Seals are judged by the
runtime's own code, with the trust that the pod's command gives. The e2e tests run the same operator against the real ones.
"""

import asyncio
import itertools
import os
import tempfile
import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from regent_api.config import CONFIG_KEY, AgentConfig
from regent_api.seal import SEAL_KEY
from regent_operator.engine.access import from_kubeconfig
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.reflector import Collection, Reflector
from regent_operator.engine.resources import CONFIG_MAPS, OURS, PODS, Resource
from regent_runtime.seal import SealRefused, Seals, Trust, trusted_keys

REFRESH_SECONDS = 10.0
Object = dict[str, Any]


def trust(command: list[str], memory: Path) -> Trust:
    """As the runtime's flags say it."""
    flags = list(itertools.pairwise(command))
    keys = [value for flag, value in flags if flag == "--config-key"]
    return Trust(dict(flags)["--agent-uid"], trusted_keys(keys), memory)


async def _outliving(do: Callable[[], Awaitable[None]]) -> None:
    """A kubelet goes on when its API server is back."""
    while True:
        try:
            return await do()
        except ApiError as error:
            if not error.of_transport:
                raise
        await asyncio.sleep(0.2)


class NobodyCounts:
    def request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """The operator's requests are counted, not the kubelet's."""


@dataclass
class Rules:
    """What tests ask of the pods; changed from the test's thread, read in the kubelet's."""

    keep_old_config: bool = False
    """Behave like pods that have not seen the new config yet."""
    refuse_config: str = ""
    """Behave like pods that refuse a new config, with these words."""
    bad_image: str = ""
    """Pods of this image do not become ready."""
    missing_credentials: tuple[str, ...] = ()
    conversations: int = 0
    """Active at each pod."""
    silent: str = ""
    """A pod of this name does not answer."""
    enforces: bool = True
    """Behave like a node on which NetworkPolicies are enforced."""
    budgets: tuple[Object, ...] = ()
    """What pods say of the agent's day and month."""
    conversations_of: Mapping[str, int] = field(default_factory=dict)
    """Name of a pod -> its own number."""


@dataclass
class FakePod:
    namespace: str
    name: str
    uid: str
    agent: str
    address: str
    image: str
    annotations: Object
    seals: Seals
    config: AgentConfig | None = None
    error: str | None = None
    task: asyncio.Task[None] | None = None
    canary: Object | None = None
    touched: asyncio.Event = field(default_factory=asyncio.Event)


class FakeKubelet:
    """Use as a context manager; its loop runs in a thread of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        self.rules = Rules()
        self.asked = 0
        """How many times pods were asked for their status."""
        self._kubeconfig = kubeconfig
        self._pods: dict[str, FakePod] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        mine = 20 + os.getpid() % 200
        self._addresses = (f"127.{mine}.{a}.{b}" for a, b in itertools.product(range(250), range(1, 250)))
        self._loop = asyncio.new_event_loop()
        self._state = tempfile.TemporaryDirectory()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._state.cleanup()

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        meta = obj["metadata"]
        pod = self._pods.get(meta["uid"])
        if pod is None:
            pod = FakePod(
                meta["namespace"],
                meta["name"],
                meta["uid"],
                meta["labels"]["regent.dev/agent"],
                next(self._addresses),
                obj["spec"]["containers"][0]["image"],
                meta.get("annotations") or {},
                Seals(trust(obj["spec"]["containers"][0]["command"], Path(self._state.name) / meta["uid"])),
            )
            self._pods[pod.uid] = pod
            pod.task = asyncio.create_task(self._live(pod))
            self._tasks.add(pod.task)
            pod.task.add_done_callback(self._ended)
        elif pod.annotations != (meta.get("annotations") or {}):
            pod.annotations = meta.get("annotations") or {}
            pod.touched.set()

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod and pod.task:
            pod.task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            traceback.print_exception(task.exception())

    async def _start(self) -> None:
        self._client = await ApiClient(from_kubeconfig(self._kubeconfig), NobodyCounts()).__aenter__()
        self._reflector = asyncio.create_task(Reflector(self._client, Collection(PODS, labels=OURS), self).run())

    async def _stop(self) -> None:
        self._reflector.cancel()
        await asyncio.gather(self._reflector, return_exceptions=True)
        for pod in self._pods.values():
            if pod.task:
                pod.task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)  # those of pods that are gone end by themselves
        await self._client.__aexit__(None, None, None)
        await asyncio.sleep(0.25)  # TLS connections say goodbye

    async def _live(self, pod: FakePod) -> None:
        await _outliving(lambda: self._mount(pod))
        application = web.Application()

        async def statusz(request: web.Request) -> web.Response:
            while pod.name == self.rules.silent:  # noqa: ASYNC110 - changed from the test's thread
                await asyncio.sleep(0.05)
            if "canary" in request.query:
                pod.canary = await self._try(str(request.remote), int(request.query["canary"]))
            return self._statusz(pod)

        async def config(request: web.Request) -> web.Response:
            if self.rules.keep_old_config:
                raise web.HTTPServiceUnavailable
            self._take(pod, await request.json())
            return self._statusz(pod)

        application.router.add_get("/statusz", statusz)
        application.router.add_put("/config", config)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await self._listen(runner, pod)
            ready = None
            while True:
                if ready is not (pod.image != self.rules.bad_image):
                    ready = pod.image != self.rules.bad_image
                    await _outliving(partial(self._report, pod, ready=ready))
                try:
                    async with asyncio.timeout(REFRESH_SECONDS if ready else 0.2):
                        await pod.touched.wait()
                except TimeoutError:
                    pass
                pod.touched.clear()
                await _outliving(lambda: self._mount(pod))
        finally:
            server = runner.server
            await runner.cleanup()
            await asyncio.sleep(0.05)  # for a connection that was taken in that moment
            if server is not None:
                await server.shutdown()

    async def _listen(self, runner: web.AppRunner, pod: FakePod) -> None:
        """On the first address that no other test session of this machine has."""
        for _ in range(1000):
            try:
                return await web.TCPSite(runner, pod.address, 9090).start()
            except OSError:
                pod.address = next(self._addresses)
        raise AssertionError("no free address in 127.0.0.0/8")

    async def _mount(self, pod: FakePod) -> None:
        if pod.config is not None and self.rules.keep_old_config:
            return
        found = await self._client.get(CONFIG_MAPS, pod.namespace, pod.agent)
        if found is not None:
            self._take(pod, found["data"])

    def _take(self, pod: FakePod, data: Object) -> None:
        """Load a config as the runtime does: what it refuses leaves the old one in force."""
        try:
            document = data[CONFIG_KEY]
            seal = pod.seals.check(document.encode(), data.get(SEAL_KEY, "").encode())
            config = AgentConfig.model_validate_json(document)
        except (KeyError, ValueError, SealRefused) as error:
            pod.error = str(error)[:200]
            return
        if self.rules.refuse_config and pod.config is not None and config != pod.config:
            pod.error = self.rules.refuse_config
        else:
            pod.seals.accept(seal)
            pod.config, pod.error = config, None

    async def _report(self, pod: FakePod, *, ready: bool) -> None:
        status = {
            "phase": "Running",
            "podIP": pod.address,
            "podIPs": [{"ip": pod.address}],
            "conditions": [
                {"type": kind, "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("Ready", "ContainersReady")
            ],
        }
        try:
            patch = {"metadata": {"uid": pod.uid}, "status": status}
            await self._client.merge(PODS, pod.namespace, pod.name, patch, subresource="status")
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    async def _try(self, address: str, port: int) -> Object:
        """What is enforced here is a rule of the test; what is not is a connection."""
        if self.rules.enforces:
            return {"address": address, "outcome": "blocked"}
        _, writer = await asyncio.open_connection(address, port)
        writer.close()
        return {"address": address, "outcome": "reached"}

    def _statusz(self, pod: FakePod) -> web.Response:
        self.asked += 1
        config = pod.config
        return web.json_response(
            {
                "pod": {"name": pod.name, "uid": pod.uid},
                "version": "fake",
                "digests": config.digests().wire() if config else None,
                "oldestTurn": None,
                "configError": pod.error,
                "configSequence": pod.seals.sequence,
                "missingCredentials": list(self.rules.missing_credentials),
                "budgets": list(self.rules.budgets),
                "activeConversations": self.rules.conversations_of.get(pod.name, self.rules.conversations),
                "canary": pod.canary,
                "suspended": bool(config and config.suspended),
                "draining": False,
            }
        )
