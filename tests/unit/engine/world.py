"""A whole engine beside an API server that is memory: how many requests its parts make together, without a clock.

What each request does to real objects, the tests against a real API server show.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from regent_api.config import CONFIG_KEY, AgentConfig
from regent_operator.engine import engine as engines
from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.answers import Page
from regent_operator.engine.engine import Engine
from regent_operator.engine.errors import ApiError
from regent_operator.engine.reflector import Observer
from regent_operator.engine.resources import (
    AGENTS,
    BY_KIND,
    CHILDREN,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    POLICIES,
    ROUTES,
    Resource,
)
from regent_operator.settings import Settings
from regent_operator.signing import Signer
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient, meta

Object = dict[str, Any]
WORKERS = 4
SYSTEM, NAMESPACE = "regent-system", "n"


class MemoryApi(FakeClient):
    """Answers a request a turn of the loop later, so that workers interleave. Pods echo the config that they were
    offered, or touched for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.silent: set[str] = set()
        """Addresses of pods of which one answer is lost."""
        self.deaf = False
        """Pods have not seen a new ConfigMap yet, however often they are touched."""
        self.offers = True
        """Pods take what they are offered."""
        self.mounted: dict[str, Object] = {}
        self.stored: Callable[[Resource, Object], None] = lambda _resource, _obj: None

    async def apply(self, resource: Resource, obj: Object, manager: str = "regent") -> Object:
        """What another manager applies is beside what we apply; what we do not apply any more is gone."""
        await asyncio.sleep(0)
        known = self.objects.get((resource.kind, obj["metadata"]["namespace"], obj["metadata"]["name"]))
        if known and manager != "regent":
            obj = _merged(known, obj)
        mine = {"generation": known["metadata"]["generation"] + 1 if known else 1, "managedFields": [_ours(obj)]}
        return await super().apply(resource, obj | {"metadata": obj["metadata"] | mine}, manager)

    async def merge(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str | None = None
    ) -> Object:
        await asyncio.sleep(0)
        self._note("merge", resource.kind, namespace, name)
        self.version += 1
        live = self.objects[resource.kind, namespace, name]
        changed = _merged(live, patch)
        changed["metadata"]["resourceVersion"] = str(self.version)
        self.objects[resource.kind, namespace, name] = changed
        if resource == PODS:
            self.mount(changed)
            self.stored(resource, changed)
        return changed

    async def pages(self, resource: Resource, namespace: str | None = None, **_: Any) -> AsyncIterator[Page]:
        await asyncio.sleep(0)
        self._note("list", resource.kind, namespace or "")
        items = [
            obj
            for (kind, space, _), obj in self.objects.items()
            if kind == resource.kind and namespace in {None, space}
        ]
        yield Page(items, str(self.version))

    async def offer_config(self, address: str, data: Mapping[str, str], seconds: float) -> Object:
        await asyncio.sleep(0)
        if self.offers and not self.deaf:
            self.offered[address] = self._echo(self.pods[address]["pod"]["uid"], data[CONFIG_KEY])
            self.pods[address] = self.offered[address]
        return await super().offer_config(address, data, seconds)

    async def pod_status(self, address: str, seconds: float, **more: int | None) -> Object:
        if address in self.silent:
            self.silent.discard(address)
            raise ApiError(0, "Unreachable", "lost")
        return await super().pod_status(address, seconds, **more)

    async def create(self, resource: Resource, obj: Object, *, gated: bool = True) -> Object:
        await asyncio.sleep(0)
        return await super().create(resource, obj, gated=gated)

    def mount(self, pod: Object) -> None:
        agent = pod["metadata"]["labels"]["regent.dev/agent"]
        document = self.objects["ConfigMap", NAMESPACE, agent]["data"][CONFIG_KEY]
        if self.deaf:
            return
        self.pods[pod["status"]["podIP"]] = self._echo(pod["metadata"]["uid"], document)

    def _echo(self, uid: str, document: str) -> Object:
        return {"pod": {"uid": uid}, "digests": AgentConfig.model_validate_json(document).digests().wire()}


class World:
    """Agents of two pods each, one policy, one route; `settle` ends when nothing is left to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = MemoryApi()
        self.api.stored = self._seen_pod
        monkeypatch.setattr(engines, "ApiClient", lambda *_: self.api)
        settings = Settings(SYSTEM, "runtime:1", "/keys", cluster_cidrs=("10.0.0.0/16",), workers=WORKERS)
        self.engine = Engine(settings, ClusterAccess("http://127.0.0.1:1"), Signer.new())
        self.engine.reflectors = []
        self.clock = Clock()
        """Paces statuses and touches. It stands still where no test sets it on: how many there are hangs on no machine."""
        for paced in (self.engine.reconciler._statuses, self.engine.reconciler._touches):
            paced._clock = self.clock
        self.engine.facts.known.set()
        self.engine.autoscalers.listed = True
        for name in (SYSTEM, NAMESPACE, "models"):
            self.engine.namespaces.seen(NAMESPACES, meta(name, 1, namespace=""), full=False)
        self.api.objects["Service", "models", "demo"] = meta("demo", 1, namespace="models") | {
            "spec": {"selector": {"app": "demo"}, "ports": [{"port": 8080}]}
        }
        self.put(ROUTES.kind, "local", ROUTE)
        self.creation: Counter[tuple[str, ...]] = Counter()
        """Verb and kind of the requests until all agents were Ready."""
        self.put(POLICIES.kind, "house", {"selector": {}, "models": {"localHosts": ["*.svc"]}})

    def put(self, kind: str, name: str, spec: Object) -> None:
        known = self.api.objects.get((kind, NAMESPACE, name))
        self.api.version += 1
        about = meta(name, self.api.version, generation=known["metadata"]["generation"] + 1 if known else 1)
        obj = (known or {}) | about | {"spec": spec}
        self.api.objects[kind, NAMESPACE, name] = obj
        self.engine.store.seen(BY_KIND[kind], obj)

    async def begin(self, agents: int, called: str = "a") -> None:
        """So many agents, Ready."""
        names = [f"{called}{number:03}" for number in range(agents)]
        for name in names:
            self.put(AGENTS.kind, name, AGENT)
        for resource in (AGENTS, POLICIES, ROUTES):
            self.engine.store.took_list(resource)
        await self.settle()
        for name in names:
            self._start_pods(name)
        await self.settle()
        self.creation = Counter(call[:2] for call in self.api.calls)
        self.api.calls.clear()

    def delete(self, agent: str) -> None:
        """The agent, and what garbage collection takes away after it."""
        self._gone(BY_KIND[AGENTS.kind], agent, self.engine.store)
        for resource in CHILDREN:
            self._gone(resource, agent, self.engine.children)
        for number in range(2):
            self._gone(PODS, f"{agent}-{number}", self.engine.pods)

    def _gone(self, resource: Resource, name: str, observer: Observer) -> None:
        obj = self.api.objects.pop((resource.kind, NAMESPACE, name))
        observer.gone(resource, NAMESPACE, name, obj["metadata"]["uid"])

    def lead_anew(self) -> None:
        """After another replica."""
        self.engine._begin_to_lead()
        self.engine.autoscalers.listed = True

    async def settle(self) -> None:
        """Until no key is due, nor will be within a second, and the pods have been asked what they hold."""
        self.engine.leadership.held.set()
        self.engine.leadership._renewed_at = float("inf")
        workers = [asyncio.create_task(self.engine._work()) for _ in range(WORKERS)]
        echoes = asyncio.create_task(self.engine.echoes.run())
        recorder = asyncio.create_task(self.engine.recorder.run())
        try:
            while self._is_busy():  # noqa: ASYNC110 - there is no event for "nothing is left to do"
                await asyncio.sleep(0.01)
        finally:
            for task in (*workers, echoes, recorder):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*workers, echoes, recorder, return_exceptions=True)

    def _is_busy(self) -> bool:
        soon = time.monotonic() + 1.0
        queue, echoes = self.engine.queue, self.engine.echoes
        due = any(entry.due < soon for entry in queue._waiting.values())
        asked = any(at < soon for at in echoes._next.values())
        at_work = queue._running or echoes._asking or self.engine.recorder._waiting.qsize()
        return due or asked or bool(at_work)

    def calls(self, verb: str, kind: str) -> int:
        return sum(call[:2] == (verb, kind) for call in self.api.calls)

    def ready(self, name: str) -> str:
        status = self.api.objects["AIAgent", NAMESPACE, name]["status"]
        return next(c["reason"] for c in status["conditions"] if c["type"] == "Ready")

    def pod_is(self, name: str, *, ready: bool) -> None:
        self.api.version += 1
        pod = self.api.objects["Pod", NAMESPACE, name]
        known = {**pod["status"], "conditions": [{"type": "Ready", "status": str(ready)}]}
        seen = pod | {"metadata": pod["metadata"] | {"resourceVersion": str(self.api.version)}, "status": known}
        self.api.objects["Pod", NAMESPACE, name] = seen
        self._seen_pod(PODS, seen)

    def _start_pods(self, agent: str) -> None:
        deployment = self.api.objects["Deployment", NAMESPACE, agent]
        counts = {"replicas": 2, "availableReplicas": 2, "updatedReplicas": 2, "observedGeneration": 1}
        self.api.version += 1
        started = deployment | {
            "metadata": deployment["metadata"] | {"resourceVersion": str(self.api.version)},
            "status": counts,
        }
        self.engine.children.seen(DEPLOYMENTS, started, full=True)
        for number in range(2):
            self.api.version += 1
            name = f"{agent}-{number}"
            owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": agent, "uid": "rs", "controller": True}
            labels = {"regent.dev/agent": agent}
            pod = meta(name, self.api.version, labels=labels, ownerReferences=[owner]) | {
                "spec": {},
                "status": {"podIP": f"10.0.{name}", "conditions": [{"type": "Ready", "status": "True"}]},
            }
            self.api.objects["Pod", NAMESPACE, name] = pod
            self.api.mount(pod)
            self._seen_pod(PODS, pod)

    def _seen_pod(self, resource: Resource, obj: Object) -> None:
        self.engine.pods.seen(resource, obj, full=True)


def _ours(obj: Object) -> Object:
    """The entry of what we applied, with nothing that the API server fills in or others hold."""
    fields = _fields({name: value for name, value in obj.items() if name not in {"apiVersion", "kind", "metadata"}})
    about = {name: value for name, value in obj["metadata"].items() if name in {"labels", "ownerReferences"}}
    return {"manager": "regent", "operation": "Apply", "fieldsV1": fields | {"f:metadata": _fields(about)}}


def _fields(value: Any) -> Object:
    """FieldsV1; a list counts as one."""
    return {f"f:{name}": _fields(item) for name, item in value.items()} if isinstance(value, dict) else {}


def _merged(live: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(live, dict):
        return patch
    kept = {name: value for name, value in live.items() if name not in patch}
    return kept | {name: _merged(live.get(name, {}), value) for name, value in patch.items() if value is not None}


AGENT: Object = {
    "instructions": {"inline": "You answer customers."},
    "modelRouteRef": {"name": "local"},
    "sensitivity": "Internal",
    "scaling": {"replicas": 2},
}
ROUTE: Object = {
    "providers": [
        {
            "name": "demo",
            "type": "Local",
            "baseURL": "http://demo.models.svc:8080/v1",
            "api": "ChatCompletions",
            "model": "smollm2",
            "maxSensitivity": "Restricted",
        }
    ],
    "rules": [{"name": "all", "providers": [{"name": "demo"}]}],
}
