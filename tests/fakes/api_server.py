"""A Kubernetes API server of memory: what the operator asks of one, on the wire.

It knows lists, watches by label, server-side apply, merge patches, creation and replacement; no schema, no defaults, no
conflicts between managers. In the place of controllers it gives each Deployment a pod, and makes it available when a
kubelet says that the pod runs. What requests mean to real objects, the tests against a real API server show.
"""

import asyncio
import itertools
import json
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from aiohttp import web

from regent_operator.engine.resources import (
    CHILD_BY_KIND,
    DEPLOYMENTS,
    EVENTS,
    KINDS,
    LEASES,
    NAMESPACES,
    PODS,
    Resource,
)

T = TypeVar("T")
Object = dict[str, Any]
Where = tuple[str, str, str]
"""Plural, namespace, name."""
RESOURCES = {each.plural: each for each in (*KINDS, *CHILD_BY_KIND.values(), EVENTS, LEASES, NAMESPACES, PODS)}
NOW = "2026-01-01T00:00:00Z"
GROUP = {"name": "regent.dev", "versions": [{"version": "v1alpha1"}], "preferredVersion": {"version": "v1alpha1"}}


def _discovered(each: Resource) -> Object:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    return {"kind": each.kind, "name": each.plural, "singularName": "", "namespaced": each.namespaced, "verbs": verbs}


DOCUMENTS: dict[str, Object] = {
    "/version": {"major": "1", "minor": "37"},
    "/.well-known/openid-configuration": {"issuer": "https://kubernetes.default.svc"},
    "/openid/v1/jwks": {"keys": []},
    "/api": {"versions": ["v1"]},
    "/api/v1": {"resources": [_discovered(NAMESPACES)]},
    "/apis": {"groups": [GROUP]},
    "/apis/regent.dev/v1alpha1": {"resources": [_discovered(each) for each in KINDS]},
}


@dataclass(frozen=True)
class Target:
    """What a path names."""

    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @classmethod
    def read(cls, path: str) -> "Target":
        _, root, *parts = path.split("/")
        parts = parts[1:] if root == "api" else parts[2:]
        if parts[0] == "namespaces" and len(parts) > 2:
            return cls(parts[2], parts[1], *parts[3:])
        return cls(parts[0], "", *parts[1:])


class MemoryApiServer:
    """Use as a context manager; its loop runs in a thread of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._objects: dict[Where, Object] = {}
        self._watches: list[tuple[str, str, str, bool, asyncio.Queue[bytes]]] = []
        self._versions = itertools.count(1000)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / "memory.kubeconfig"
        named = {"name": "memory"}
        document = {
            "clusters": [named | {"cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [named | {"user": {}}],
            "contexts": [named | {"context": {"cluster": "memory", "user": "memory"}}],
            "current-context": "memory",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def put(self, *objects: Object) -> None:
        """As a person applies them."""

        async def store() -> None:
            for obj in objects:
                self._apply(_where(obj), obj, "kubectl")

        self._await(store())

    def all(self, plural: str) -> list[Object]:
        async def found() -> list[Object]:
            return [obj for (kind, *_), obj in self._objects.items() if kind == plural]

        return self._await(found())

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        for *_, events in self._watches:
            events.put_nowait(b"")
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path in DOCUMENTS:
            return web.json_response(DOCUMENTS[request.path])
        target = Target.read(request.path)
        if request.method == "GET" and not target.name:
            partial = "PartialObjectMetadata" in request.headers.get("Accept", "")
            selector = request.query.get("labelSelector", "")
            if "watch" in request.query:
                return await self._watch(request, target, selector, partial=partial)
            return self._list(request, [_shown(o, partial=partial) for o in self._chosen(target, selector)])
        return self._one(request, target, await request.read())

    def _list(self, request: web.Request, items: list[Object]) -> web.Response:
        """In pages, but of no single moment: what is made between two of them may be missed."""
        start, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 0)) or len(items)
        end = start + limit
        meta = {"resourceVersion": str(next(self._versions)), "continue": str(end) if end < len(items) else ""}
        return web.json_response({"metadata": meta, "items": items[start:end]})

    def _one(self, request: web.Request, target: Target, body: bytes) -> web.Response:
        sent = json.loads(body) if body else {}
        where = (target.plural, target.namespace, target.name or sent.get("metadata", {}).get("name", ""))
        known = self._objects.get(where)
        kind = request.headers.get("Content-Type", "")
        if request.method == "PATCH" and "apply" in kind:
            version = sent["metadata"].get("resourceVersion")
            if known and version and version != known["metadata"]["resourceVersion"]:
                return _refusal(409, "Conflict")
            return web.json_response(self._apply(where, sent, request.query["fieldManager"]))
        if request.method == "POST":
            return _refusal(409, "AlreadyExists") if known else web.json_response(self._store(where, sent), status=201)
        if known is None:
            return _refusal(404, "NotFound")
        if request.method == "GET":
            return web.json_response(known)
        if request.method == "PATCH":
            return web.json_response(self._store(where, _merged(known, sent), spec=not target.subresource))
        return web.json_response(self._store(where, sent))

    def _apply(self, where: Where, sent: Object, manager: str) -> Object:
        fields = {f"f:{name}": _fields(value) for name, value in sent.items() if name not in {"apiVersion", "kind"}}
        fields["f:metadata"] = {
            f"f:{name}": _fields(value)
            for name, value in sent["metadata"].items()
            if name not in {"name", "namespace", "uid", "resourceVersion"}
        }
        entry = {
            "manager": manager,
            "operation": "Apply",
            "apiVersion": sent.get("apiVersion", "v1"),
            "time": NOW,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        stored = self._store(where, sent | {"metadata": sent["metadata"] | {"managedFields": [entry]}})
        if where[0] == DEPLOYMENTS.plural and "status" not in stored:
            self._loop.call_soon(self._run, where)
        return stored

    def _run(self, deployment: Where) -> None:
        """What the controllers say of a Deployment, in four steps, and the pod that they make."""
        _, namespace, name = deployment
        live = self._objects[deployment]
        pod = (PODS.plural, namespace, f"{name}-1")
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": f"rs-{name}", "controller": True}
        template = live["spec"]["template"]
        made = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "namespace": namespace, "name": pod[2], "ownerReferences": [owner]},
            "spec": template["spec"],
        }
        counts = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1}
        self._store(deployment, live | {"status": {"observedGeneration": 1}}, spec=False)
        self._store(pod, made)
        self._store(deployment, self._objects[deployment] | {"status": counts}, spec=False)

    def _store(self, where: Where, obj: Object, *, spec: bool = True) -> Object:
        known = self._objects.get(where)
        meta = obj["metadata"]
        about = known["metadata"] if known else {"uid": f"uid-{next(self._versions)}", "generation": 0}
        resource = RESOURCES[where[0]]
        stored = {"apiVersion": resource.api_version, "kind": resource.kind, **(known or {}), **obj}
        stored["metadata"] = {
            **meta,
            "namespace": where[1],
            "name": where[2],
            "uid": about["uid"],
            "generation": about["generation"] + spec,
            "resourceVersion": str(next(self._versions)),
            "creationTimestamp": NOW,
        }
        self._objects[where] = stored
        self._tell("MODIFIED" if known else "ADDED", where, stored)
        if where[0] == PODS.plural and stored.get("status", {}).get("podIP") and self._runs(where):
            self._loop.call_soon(self._available, where)
        return stored

    def _runs(self, pod: Where) -> bool:
        deployment = self._objects.get((DEPLOYMENTS.plural, pod[1], pod[2].rpartition("-")[0]))
        return deployment is not None and "availableReplicas" not in deployment["status"]

    def _available(self, pod: Where) -> None:
        where = (DEPLOYMENTS.plural, pod[1], pod[2].rpartition("-")[0])
        counts = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        self._store(where, self._objects[where] | {"status": counts}, spec=False)

    def _chosen(self, target: Target, selector: str) -> list[Object]:
        return [
            obj
            for (plural, namespace, _), obj in self._objects.items()
            if plural == target.plural and target.namespace in {"", namespace} and _matches(obj, selector)
        ]

    async def _watch(self, request: web.Request, target: Target, selector: str, *, partial: bool) -> web.StreamResponse:
        events: asyncio.Queue[bytes] = asyncio.Queue()
        since = int(request.query.get("resourceVersion", "0"))
        for obj in self._chosen(target, selector):
            if int(obj["metadata"]["resourceVersion"]) > since:
                events.put_nowait(_line("ADDED", obj, partial=partial))
        watch = (target.plural, target.namespace, selector, partial, events)
        self._watches.append(watch)
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while line := await events.get():
                await answer.write(line)
        finally:
            self._watches.remove(watch)
        return answer

    def _tell(self, kind: str, where: Where, obj: Object) -> None:
        for plural, namespace, selector, partial, events in self._watches:
            if plural == where[0] and namespace in {"", where[1]} and _matches(obj, selector):
                events.put_nowait(_line(kind, obj, partial=partial))


def _where(obj: Object) -> Where:
    plural = next(each.plural for each in RESOURCES.values() if each.kind == obj["kind"])
    return plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _line(kind: str, obj: Object, *, partial: bool) -> bytes:
    return json.dumps({"type": kind, "object": _shown(obj, partial=partial)}).encode() + b"\n"


def _shown(obj: Object, *, partial: bool) -> Object:
    if not partial:
        return obj
    return {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": obj["metadata"]}


def _matches(obj: Object, selector: str) -> bool:
    return all(_holds(obj["metadata"].get("labels") or {}, term) for term in selector.split(",") if term)


def _holds(labels: Object, term: str) -> bool:
    name, differs, unwanted = term.partition("!=")
    if differs:
        return bool(labels.get(name) != unwanted)
    name, equals, wanted = term.partition("=")
    return bool(labels.get(name) == wanted) if equals else name in labels


def _fields(value: Any) -> Object:
    """FieldsV1 of what is applied: lists of named objects by their names, others as one."""
    if isinstance(value, dict):
        return {f"f:{name}": _fields(item) for name, item in value.items()}
    if isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value):
        return {f"k:{json.dumps({'name': item['name']})}": {".": {}, **_fields(item)} for item in value}
    return {}


def _merged(live: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(live, dict):
        return patch
    kept = {name: value for name, value in live.items() if name not in patch}
    return kept | {name: _merged(live.get(name, {}), value) for name, value in patch.items() if value is not None}


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"kind": "Status", "reason": reason, "message": reason, "code": status}, status=status)
