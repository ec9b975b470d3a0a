"""A kubelet without a node: pods become ready, and answer /statusz honestly.

It stands in for kubelet and runtime on the control tier, where no pod can run. What a pod says is computed from the
config that it was offered, or the ConfigMap as it was mounted: when the pod starts, again when the pod object is
touched (the real kubelet does that within a second), and otherwise only every ten seconds. Seals are judged by the
runtime's own code, with the trust that the pod's command gives. The e2e tests run the same operator against the real ones.

Like the real one it watches ConfigMaps and polls nothing: a pod at rest costs a listening socket. What it costs the
machine that a benchmark runs on is counted (`requests`, `cpu_seconds`).
"""

import asyncio
import errno
import itertools
import os
import resource as limits
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from regent_api.config import CONFIG_KEY, AgentConfig
from regent_api.seal import SEAL_KEY
from regent_operator.engine.access import from_kubeconfig
from regent_operator.engine.client import STATUS_PORT, ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.queue import WorkQueue
from regent_operator.engine.reflector import Collection, Reflector
from regent_operator.engine.resources import CONFIG_MAPS, OURS, PODS, Resource
from regent_runtime.seal import SealRefused, Seals, Trust, trusted_keys

REFRESH_SECONDS = 10.0
RETRY_SECONDS = 0.2
WORKERS = 16
MEMORY = Path("/dev/shm")
"""A pod syncs its seal's memory to its disk; all of them on one disk would wait for each other."""
Object = dict[str, Any]
Name = tuple[str, str]
"""Namespace, agent."""


def trust(command: list[str], memory: Path) -> Trust:
    """As the runtime's flags say it."""
    flags = list(itertools.pairwise(command))
    keys = [value for flag, value in flags if flag == "--config-key"]
    return Trust(dict(flags)["--agent-uid"], trusted_keys(keys), memory)


class NobodyCounts:
    def request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """The operator's requests are counted, not those of who stands beside it."""


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
    budgets: Callable[[], tuple[Object, ...]] = tuple
    """What pods say of the agent's day and month, at the moment at which they are asked."""
    conversations_of: Mapping[str, int] = field(default_factory=dict)
    """Name of a pod -> its own number."""


@dataclass
class FakePod:
    namespace: str
    name: str
    uid: str
    agent: str
    image: str
    annotations: Object
    seals: Seals
    born: float
    """By the loop's clock; the volumes are looked at every REFRESH_SECONDS from then on."""
    address: str = ""
    server: web.Server | None = None
    listener: asyncio.Server | None = None
    ready: bool | None = None
    """As it was told to the API server; None: nothing was."""
    mounted: Object | None = None
    """The ConfigMap's data in the pod's volume."""
    touched: bool = False
    config: AgentConfig | None = None
    digests: Object | None = None
    """Of `config`."""
    error: str | None = None
    canary: Object | None = None


class FakeKubelet:
    """Use as a context manager; its loop runs in a thread of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        self.rules = Rules()
        self.asked = 0
        """How many times pods were asked for their status."""
        self.requests: Counter[str] = Counter()
        """To the API server, such as "MERGE pods"."""
        self._kubeconfig = kubeconfig
        self._pods: dict[str, FakePod] = {}
        self._of_agent: dict[Name, set[str]] = defaultdict(set)
        self._config_maps: dict[Name, Object] = {}
        self._queue: WorkQueue[str] = WorkQueue()
        self._tasks: list[asyncio.Task[None]] = []
        mine = 20 + os.getpid() % 200
        self._addresses = (f"127.{mine}.{a}.{b}" for a, b in itertools.product(range(250), range(1, 250)))
        self._loop = asyncio.new_event_loop()
        self._state = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        most = limits.getrlimit(limits.RLIMIT_NOFILE)[1]
        limits.setrlimit(limits.RLIMIT_NOFILE, (most, most))  # each pod listens
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._state.cleanup()

    @property
    def cpu_seconds(self) -> float:
        """Of its thread so far, while it runs."""
        assert self._thread.ident
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    def request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """It counts its client's requests itself."""
        self.requests[f"{verb} {resource}"] += 1

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        if resource == CONFIG_MAPS:
            self._config_map_seen(obj)
        else:
            self._pod_seen(obj)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        if resource == CONFIG_MAPS:
            self._config_maps.pop((namespace, name), None)
            return
        pod = self._pods.pop(uid, None)
        if pod:
            self._of_agent[pod.namespace, pod.agent].discard(uid)
            self._silence(pod)

    def _pod_seen(self, obj: Object) -> None:
        meta = obj["metadata"]
        pod = self._pods.get(meta["uid"])
        if pod is None:
            container = obj["spec"]["containers"][0]
            pod = FakePod(
                meta["namespace"],
                meta["name"],
                meta["uid"],
                meta["labels"]["regent.dev/agent"],
                container["image"],
                meta.get("annotations") or {},
                Seals(trust(container["command"], Path(self._state.name) / meta["uid"])),
                self._loop.time(),
            )
            self._pods[pod.uid] = pod
            self._of_agent[pod.namespace, pod.agent].add(pod.uid)
            self._queue.add(pod.uid)
        elif pod.annotations != (meta.get("annotations") or {}):
            pod.annotations = meta.get("annotations") or {}
            pod.touched = True
            self._queue.add(pod.uid)

    def _config_map_seen(self, obj: Object) -> None:
        where = obj["metadata"]["namespace"], obj["metadata"]["name"]
        self._config_maps[where] = obj.get("data") or {}
        for uid in self._of_agent.get(where, ()):
            self._queue.add(uid, delay=self._until_refresh(self._pods[uid]))

    def _until_refresh(self, pod: FakePod) -> float:
        return REFRESH_SECONDS - (self._loop.time() - pod.born) % REFRESH_SECONDS

    async def _start(self) -> None:
        self._client = await ApiClient(from_kubeconfig(self._kubeconfig), self).__aenter__()
        collections = Collection(CONFIG_MAPS), Collection(PODS, labels=OURS)
        self._tasks = [asyncio.create_task(Reflector(self._client, each, self).run()) for each in collections]
        self._tasks += [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        pods = list(self._pods.values())
        self._pods.clear()
        for pod in pods:
            self._silence(pod)
        await self._client.__aexit__(None, None, None)
        await asyncio.sleep(0.25)  # TLS connections say goodbye

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            again = None
            try:
                pod = self._pods.get(uid)
                again = await self._tend(pod) if pod else None
            except Exception as error:  # noqa: BLE001 - the other pods go on
                if isinstance(error, ApiError) and error.of_transport:
                    again = RETRY_SECONDS  # a kubelet goes on when its API server is back
                else:
                    traceback.print_exception(error)
            finally:
                self._queue.done(uid)
            if again is not None:
                self._queue.add(uid, delay=again)

    async def _tend(self, pod: FakePod) -> float | None:
        """Seconds until the pod wants something again; None: not before it, or its ConfigMap, changes."""
        await self._mount(pod)
        if pod.listener is None:
            await self._listen(pod)
        ready = pod.image != self.rules.bad_image
        if ready is not pod.ready:
            await self._report(pod, ready=ready)
            pod.ready = ready
        if not ready:
            return RETRY_SECONDS
        return self._until_refresh(pod) if self._lags(pod) else None

    def _lags(self, pod: FakePod) -> bool:
        known = self._config_maps.get((pod.namespace, pod.agent))
        return pod.error is not None or (known is not None and known != pod.mounted)

    async def _mount(self, pod: FakePod) -> None:
        """What the watch has brought; for a pod that was touched, what stands there now."""
        if pod.config is not None and self.rules.keep_old_config:
            return
        data = None if pod.touched else self._config_maps.get((pod.namespace, pod.agent))
        if data is None:
            found = await self._client.get(CONFIG_MAPS, pod.namespace, pod.agent)
            pod.touched = False
            data = found.get("data") or {} if found else None
        if data is not None and (data != pod.mounted or pod.error is not None):
            pod.mounted = data
            self._take(pod, data)

    async def _listen(self, pod: FakePod) -> None:
        """On the first address that no other test session of this machine has."""
        pod.server = web.Server(partial(self._answer, pod), access_log=None)
        for pod.address in itertools.islice(self._addresses, 1000):
            try:
                pod.listener = await self._loop.create_server(pod.server, pod.address, STATUS_PORT)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                break
        else:
            raise AssertionError("no free address in 127.0.0.0/8")
        if pod.uid not in self._pods:
            self._silence(pod)

    def _silence(self, pod: FakePod) -> None:
        """Nobody answers at its address any more."""
        if pod.listener and pod.server:
            for listening in pod.listener.sockets:
                self._loop.remove_reader(listening.fileno())
            self._hang_up(pod.server)
            self._loop.call_later(0.05, self._close, pod.listener, pod.server)

    def _close(self, listener: asyncio.Server, pods_server: web.Server) -> None:
        """What was accepted has its transport by now: asyncio leaves one open that it makes for a closed server."""
        listener.close()
        self._hang_up(pods_server)

    @staticmethod
    def _hang_up(pods_server: web.Server) -> None:
        for connection in pods_server.connections:
            connection.force_close()

    async def _answer(self, pod: FakePod, request: web.BaseRequest) -> web.StreamResponse:
        if (request.method, request.path) == ("PUT", "/config"):
            if self.rules.keep_old_config:
                raise web.HTTPServiceUnavailable
            self._take(pod, await request.json())
            return self._statusz(pod)
        if (request.method, request.path) != ("GET", "/statusz"):
            raise web.HTTPNotFound
        while pod.name == self.rules.silent and pod.uid in self._pods:  # noqa: ASYNC110 - a rule of the test's thread
            await asyncio.sleep(0.05)
        if "canary" in request.query:
            pod.canary = await self._try(str(request.remote), int(request.query["canary"]))
        return self._statusz(pod)

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
            pod.config, pod.digests, pod.error = config, config.digests().wire(), None

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
                "digests": pod.digests,
                "oldestTurn": None,
                "configError": pod.error,
                "configSequence": pod.seals.sequence,
                "missingCredentials": list(self.rules.missing_credentials),
                "budgets": list(self.rules.budgets()),
                "activeConversations": self.rules.conversations_of.get(pod.name, self.rules.conversations),
                "canary": pod.canary,
                "suspended": bool(config and config.suspended),
                "draining": False,
            }
        )
