"""Touches the pods that hold another config than they should although it was offered, so that the kubelet brings it.

The mark names the ConfigMap's version too: a pod is touched for each anew. One that still lags is touched a few times
more: on a busy node the kubelet may look at a pod before its own watch has brought it the new ConfigMap, and without
another touch it would look again after a minute at the earliest.
"""

import asyncio
import time
from collections.abc import Callable

from regent_operator.engine.annotations import annotate
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.client import ApiClient
from regent_operator.engine.pods import TOUCHED, Pod, Pods
from regent_operator.engine.resources import CONFIG_MAPS, Key
from regent_operator.engine.together import together

TOUCHES_AT_ONCE = 8
AFTER_SECONDS = (1.5, 3.0, 9.0, 27.0)
"""Since the config was written: before the first, pods are given it without a kubelet (`echo.py`)."""


class Touches:
    def __init__(
        self, client: ApiClient, children: Children, pods: Pods, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._children = children
        self._pods = pods
        self._clock = clock
        self._first: dict[Key, tuple[str, float]] = {}

    async def bring(self, agent: Key, digest: str | None) -> float | None:
        """Seconds until pods that lag want another touch; None: none does."""
        config_map = self._children.get(ChildKey(CONFIG_MAPS.kind, agent.namespace, agent.name))
        if config_map is None or digest is None:
            return None
        age, mark = self._mark(agent, f"{digest}@{config_map.version}")
        behind = [pod for pod in self._pods.of(agent) if _is_behind(pod, digest)]
        places = asyncio.Semaphore(TOUCHES_AT_ONCE)

        async def touch(pod: Pod, mark: str) -> None:
            async with places:
                await annotate(self._client, pod, TOUCHED, mark)

        if mark is not None:
            await together(touch(pod, mark) for pod in behind if pod.mark != mark)
        return next((after - age for after in AFTER_SECONDS if after > age), None) if behind else None

    def forget(self, agent: Key) -> None:
        """The agent is gone."""
        self._first.pop(agent, None)

    def forget_all(self) -> None:
        """Another replica led meanwhile."""
        self._first.clear()

    def _mark(self, agent: Key, content: str) -> tuple[float, str | None]:
        """Seconds since pods were first to hold the content, and what a pod bears that was touched for it by now."""
        known = self._first.get(agent)
        if known is None or known[0] != content:
            known = self._first[agent] = (content, self._clock())
        age = self._clock() - known[1]
        times = sum(age >= after for after in AFTER_SECONDS)
        return age, f"{content}#{times}" if times else None


def _is_behind(pod: Pod, digest: str) -> bool:
    """Whether the pod has shown itself, and holds something else than it should or has it mounted."""
    echo = pod.seen.echo
    if pod.seen.ended or echo is None:
        return False
    return echo.config_error is not None or echo.digests is None or echo.digests.config != digest
