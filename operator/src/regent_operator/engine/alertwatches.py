"""Waits at pods for their next alert: an Event follows at once, and no pod has to be able to call anybody.

Only pods that say that they have alerts are waited for. Each costs an idle connection, so there is a bound; those
beyond it, and those that gave no answer, are heard with the next round of questions (see `echo`).
"""

import asyncio
import logging
import time
from collections.abc import Callable

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import Pod, Pods
from regent_operator.plan.echo import Echo, echo_of

log = logging.getLogger(__name__)
MOST_WATCHED = 1000
ANSWER_SECONDS = 35.0
"""A pod answers after 25 s at the latest."""
PAUSE_SECONDS = 2.0
"""Between two questions to one pod, however fast its alerts come."""


class AlertWatches:
    """Waits while `allowed()`: only the leader does."""

    def __init__(
        self,
        client: ApiClient,
        pods: Pods,
        allowed: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._pods = pods
        self._allowed = allowed
        self._clock = clock
        self._watched: set[str] = set()
        self._begin: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        """Bounded by MOST_WATCHED: what is in it is watched."""

    def heard(self, pod: Pod, echo: Echo) -> None:
        """What a pod has just answered."""
        uid = pod.seen.uid
        if echo.alerts and uid not in self._watched and len(self._watched) < MOST_WATCHED:
            self._watched.add(uid)
            self._begin.put_nowait((uid, echo.alert_moves))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as watches:
            while True:
                watches.create_task(self._watch(*await self._begin.get()))

    async def _watch(self, uid: str, moves: int) -> None:
        try:
            while self._allowed() and (pod := self._pods.get(uid)) is not None and pod.address:
                asked = self._clock()
                echo = await self._next(pod, moves)
                if echo is None or not echo.alerts:
                    return
                moves = echo.alert_moves
                self._pods.echoed(uid, echo)
                await asyncio.sleep(max(0.0, PAUSE_SECONDS - (self._clock() - asked)))
        finally:
            self._watched.discard(uid)

    async def _next(self, pod: Pod, moves: int) -> Echo | None:
        """None: no answer of its own."""
        try:
            echo = echo_of(await self._client.pod_status(pod.address, ANSWER_SECONDS, beyond=moves))
        except ApiError as error:
            log.debug("pod %s/%s gave no answer: %s", pod.agent.namespace, pod.seen.name, error)
            return None
        return echo if echo is not None and echo.pod_uid == pod.seen.uid else None
