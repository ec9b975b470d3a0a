"""Tells the ReplicaSets which pods have the fewest conversations, so that those go first.

By the figures that pods are asked for anyway, and at most one patch a pod a minute. Only where there are several pods:
of one, nobody has to choose.
"""

import asyncio
import time
from collections.abc import Callable

from regent_operator.engine.annotations import annotate
from regent_operator.engine.client import ApiClient
from regent_operator.engine.pods import Pod, Pods
from regent_operator.engine.resources import Key
from regent_operator.engine.together import together
from regent_operator.plan.deletioncost import ANNOTATION, bucket

PAUSE_SECONDS = 60.0
PATCHES_AT_ONCE = 8


class DeletionCosts:
    def __init__(self, client: ApiClient, pods: Pods, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._pods = pods
        self._clock = clock
        self._told: dict[Key, dict[str, tuple[int, float]]] = {}
        """Of each pod's uid: the cost that it bears since we gave it one, or tried to, in the last minute, and when."""

    async def tell(self, agent: Key, *, several: bool) -> float | None:
        """Seconds until a pod whose cost is another by now may be told; None: all bear theirs.

        `several`: whether the agent may have more than one pod.
        """
        pods = [pod for pod in self._pods.of(agent) if several and _has_a_say(pod)]
        told = self._recent(agent)
        differing = [pod for pod in pods if _cost(pod) != _borne(pod, told)] if len(pods) > 1 else []
        places = asyncio.Semaphore(PATCHES_AT_ONCE)

        async def patch(pod: Pod) -> None:
            async with places:
                await self._patch(agent, pod)

        await together(patch(pod) for pod in differing if pod.seen.uid not in told)
        told = self._told.get(agent, {})  # empty where we began to lead meanwhile: the next look tells
        given = [(_cost(pod), *told[pod.seen.uid]) for pod in differing if pod.seen.uid in told]
        waiting = [at for wanted, borne, at in given if borne != wanted]
        return min(waiting) + PAUSE_SECONDS - self._clock() if waiting else None

    def forget(self, agent: Key) -> None:
        """The agent is gone."""
        self._told.pop(agent, None)

    def forget_all(self) -> None:
        """Another replica led meanwhile: what pods bear is what their annotation says."""
        self._told.clear()

    def _recent(self, agent: Key) -> dict[str, tuple[int, float]]:
        now, known = self._clock(), self._told.pop(agent, {})
        recent = {uid: given for uid, given in known.items() if now - given[1] < PAUSE_SECONDS}
        if recent:
            self._told[agent] = recent
        return dict(recent)

    async def _patch(self, agent: Key, pod: Pod) -> None:
        cost = _cost(pod)
        borne = cost if await annotate(self._client, pod, ANNOTATION, str(cost)) else pod.cost
        self._told.setdefault(agent, {})[pod.seen.uid] = (borne, self._clock())


def _has_a_say(pod: Pod) -> bool:
    """Of a pod that ends or has not answered there is no figure; what it bears stays."""
    return pod.controlled and pod.seen.echo is not None and not (pod.seen.ended or pod.seen.deleting)


def _cost(pod: Pod) -> int:
    return bucket(pod.seen.echo.active_conversations) if pod.seen.echo else 0


def _borne(pod: Pod, told: dict[str, tuple[int, float]]) -> int:
    """What it was given lately, which may not have come back to us yet; otherwise what it bears, whoever wrote it."""
    return told[pod.seen.uid][0] if pod.seen.uid in told else pod.cost
