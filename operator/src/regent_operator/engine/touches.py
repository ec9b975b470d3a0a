"""Touches the pods that hold another config than they should, so that the kubelet brings the new one at once.

The mark names the ConfigMap's version too: a pod is touched once for each, also after a hand edit was healed. One that
still lags is touched a few times more: on a busy node the kubelet may look at a pod before its own watch has brought
it the new ConfigMap, and without another touch it would look again after a minute at the earliest.
"""

import asyncio
import time
from collections.abc import Callable

from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import TOUCHED, Pod, Pods
from regent_operator.engine.resources import CONFIG_MAPS, PODS, Key
from regent_operator.engine.together import together

TOUCHES_AT_ONCE = 8
AGAIN_SECONDS = (3.0, 9.0, 27.0)
"""After the first touch."""


class Touches:
    def __init__(
        self, client: ApiClient, children: Children, pods: Pods, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._children = children
        self._pods = pods
        self._clock = clock
        self._first: dict[Key, tuple[str, float]] = {}

    async def bring(self, agent: Key, digest: str | None, *, written: bool) -> float | None:
        """Seconds until pods that lag want another touch; None: none does. Raises ApiError.

        `written`: the ConfigMap was written just now, so that pods which echo the digest may soon hold something else.
        """
        config_map = self._children.get(ChildKey(CONFIG_MAPS.kind, agent.namespace, agent.name))
        if config_map is None or digest is None:
            return None
        age, mark = self._mark(agent, f"{digest}@{config_map.version}")
        behind = [pod for pod in self._pods.of(agent) if _is_behind(pod, digest, written=written)]
        places = asyncio.Semaphore(TOUCHES_AT_ONCE)

        async def touch(pod: Pod) -> None:
            async with places:
                await self._touch(pod, mark)

        await together(touch(pod) for pod in behind if pod.mark != mark)
        return next((after - age for after in AGAIN_SECONDS if after > age), None) if behind else None

    def forget(self, agent: Key) -> None:
        """The agent is gone."""
        self._first.pop(agent, None)

    def forget_all(self) -> None:
        """Another replica led meanwhile."""
        self._first.clear()

    def _mark(self, agent: Key, content: str) -> tuple[float, str]:
        """Seconds since pods were first to hold the content, and what a pod bears that was touched for it by now."""
        known = self._first.get(agent)
        if known is None or known[0] != content:
            known = self._first[agent] = (content, self._clock())
        age = self._clock() - known[1]
        times = sum(age >= after for after in AGAIN_SECONDS)
        return age, f"{content}#{times}" if times else content

    async def _touch(self, pod: Pod, mark: str) -> None:
        patch = {"metadata": {"uid": pod.seen.uid, "annotations": {TOUCHED: mark}}}
        try:
            await self._client.merge(PODS, pod.agent.namespace, pod.seen.name, patch)
        except ApiError as error:
            if error.status not in {404, 409, 422}:
                raise


def _is_behind(pod: Pod, digest: str, *, written: bool) -> bool:
    """Whether the pod has shown itself and holds (or, after a write, may soon hold) something else than it should."""
    echo = pod.seen.echo
    if pod.seen.ended or echo is None:
        return False
    return written or echo.digests is None or echo.digests.config != digest
