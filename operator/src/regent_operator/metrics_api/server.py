"""HTTPS of custom.metrics.k8s.io, for the API server's aggregator alone.

    GET /apis  /apis/custom.metrics.k8s.io  /apis/custom.metrics.k8s.io/v1beta2
    GET .../v1beta2/namespaces/NAMESPACE/pods/NAME or */active_conversations?labelSelector=regent.dev/agent=AGENT
    GET .../v1beta2/namespaces/NAMESPACE/aiagents.regent.dev/NAME/active_conversations

Nothing is read without a certificate that the aggregator's authority signed, a user that it names, and the API
server's word that this user may. Errors are metav1.Status.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from regent_operator.engine.errors import ApiError
from regent_operator.metrics_api import discovery
from regent_operator.metrics_api.figures import Figures, SilentError
from regent_operator.metrics_api.frontproxy import FrontProxies, Identity
from regent_operator.metrics_api.pods import AgentPods, AskablePod
from regent_operator.metrics_api.reviews import Reviews
from regent_operator.plan.autoscaler import METRIC
from regent_operator.plan.child import AGENT_LABEL

log = logging.getLogger(__name__)
Object = dict[str, Any]
BASE = f"/apis/{discovery.GROUP_VERSION}"
SELECTOR = re.compile(rf"{re.escape(AGENT_LABEL)}==?([a-z0-9]([-a-z0-9]*[a-z0-9])?)")
"""What an agent's Deployment selects its pods by, and so what its autoscaler asks for."""
Handler = Callable[[web.Request, Identity], Awaitable[Object]]


class RefusedError(Exception):
    """`code`, `reason`: of the metav1.Status that is answered."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class MetricsServer:
    """`is_current`: whether a connection was made under the certificates in force."""

    def __init__(
        self,
        proxies: FrontProxies,
        reviews: Reviews,
        pods: AgentPods,
        figures: Figures,
        is_current: Callable[[web.Request], bool],
    ) -> None:
        self._proxies = proxies
        self._reviews = reviews
        self._pods = pods
        self._figures = figures
        self._is_current = is_current

    def application(self) -> web.Application:
        made = web.Application(client_max_size=1024)
        for path, document in (
            ("/apis", discovery.groups),
            (f"/apis/{discovery.GROUP}", discovery.group),
            (BASE, discovery.resources),
        ):
            made.router.add_get(path, self._guarded(self._document(document)))
        within = f"{BASE}/namespaces/{{namespace}}"
        made.router.add_get(f"{within}/pods/{{name}}/{{metric}}", self._guarded(self._of_pods))
        made.router.add_get(f"{within}/{discovery.AGENTS}/{{name}}/{{metric}}", self._guarded(self._of_agent))
        made.router.add_route("*", "/{rest:.*}", self._guarded(self._nothing))
        return made

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not self._is_current(request):
                # Made under an authority that was replaced: its client connects anew and is judged by the present one.
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=401)
            try:
                return web.json_response(await handler(request, self._identity(request)))
            except RefusedError as refused:
                body = discovery.status(refused.code, refused.reason, str(refused))
                return web.json_response(body, status=refused.code)
            except ApiError as error:
                log.warning("%s: the API server did not answer: %s", request.path, error)
                words = "the API server did not say whether this may be read; try again"
                return web.json_response(discovery.status(503, "ServiceUnavailable", words), status=503)

        return handle

    def _identity(self, request: web.Request) -> Identity:
        proxy = self._proxies.current
        certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
        if proxy is None or not proxy.admits(certificate):
            raise RefusedError(401, "Unauthorized", "only the API server's aggregator is answered here")
        identity = proxy.identity(list(request.headers.items()))
        if identity is None:
            raise RefusedError(401, "Unauthorized", "the request names no user")
        return identity

    def _document(self, document: Callable[[], Object]) -> Handler:
        async def answer(request: web.Request, identity: Identity) -> Object:
            await self._may_see(identity, request.path)
            return document()

        return answer

    async def _nothing(self, request: web.Request, identity: Identity) -> Object:
        await self._may_see(identity, request.path)
        raise RefusedError(404, "NotFound", "there is nothing here")

    async def _of_pods(self, request: web.Request, identity: Identity) -> Object:
        namespace, name = await self._asked(request, identity, "pods")
        found = self._selected(request, namespace) if name == "*" else self._pods.named(namespace, name)
        return discovery.of_pods(await self._figures.of(found))

    async def _of_agent(self, request: web.Request, identity: Identity) -> Object:
        namespace, name = await self._asked(request, identity, discovery.AGENTS)
        try:
            total, at = await self._figures.total(self._pods.of(namespace, name))
        except SilentError as error:
            raise RefusedError(503, "ServiceUnavailable", str(error)) from None
        return discovery.of_agent(namespace, name, total, at)

    async def _asked(self, request: web.Request, identity: Identity, resource: str) -> tuple[str, str]:
        """Namespace and name of the objects, once the user may read their metric."""
        namespace, name, metric = (request.match_info[part] for part in ("namespace", "name", "metric"))
        attributes = {
            "group": discovery.GROUP,
            "version": discovery.VERSION,
            "resource": resource,
            "subresource": metric,
            "namespace": namespace,
            "name": name,
            "verb": "get",
        }
        if not await self._reviews.resource(identity, attributes):
            words = f"{identity.user} may not get {resource}/{metric} of {discovery.GROUP} in namespace {namespace}"
            raise RefusedError(403, "Forbidden", words)
        if metric != METRIC:
            raise RefusedError(404, "NotFound", f"{resource} have no metric {metric}; they have {METRIC}")
        if request.query.get("metricLabelSelector"):
            raise RefusedError(400, "BadRequest", f"{METRIC} has no labels to select by")
        return namespace, name

    def _selected(self, request: web.Request, namespace: str) -> list[AskablePod]:
        match = SELECTOR.fullmatch(request.query.get("labelSelector", ""))
        if match is None:
            raise RefusedError(400, "BadRequest", f"labelSelector: must be {AGENT_LABEL}=AGENT")
        return self._pods.of(namespace, match[1])

    async def _may_see(self, identity: Identity, path: str) -> None:
        if not await self._reviews.path(identity, path):
            raise RefusedError(403, "Forbidden", f"{identity.user} may not get {path}")


class Telling:
    """Plain HTTP for the kubelet: `/livez` and `/readyz`; `missing` says why nothing can be served, or nothing."""

    def __init__(self, missing: Callable[[], str]) -> None:
        self._missing = missing

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_get("/livez", self._livez)
        made.router.add_get("/readyz", self._readyz)
        return made

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = self._missing()
        return web.Response(text=missing or "ok", status=503 if missing else 200)
