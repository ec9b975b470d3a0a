"""Has each pod try one connection that its NetworkPolicy forbids, when it begins to answer and now and then after.

Enforcers are told of a pod and of an edit by watches of their own, and some need seconds: what comes through is tried
again quickly, and counts as open only when it still does so SETTLE_SECONDS later. Bounded: so many trials at a time,
each within ANSWER_SECONDS, and a pod that was tried is left alone for minutes.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from regent_operator.engine.canary import Canary, address_towards
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import Pod, Pods
from regent_operator.engine.queue import WorkQueue
from regent_operator.engine.resources import Key
from regent_operator.plan.echo import echo_of
from regent_operator.plan.trial import ONCE, Trial, Wall, judge

log = logging.getLogger(__name__)
TRIALS_AT_ONCE = 32
ANSWER_SECONDS = 5.0
"""Twice as long as the pod waits for the connection."""
HELD_SECONDS = 600.0
OPEN_SECONDS = 60.0
SETTLE_SECONDS = 10.0
EDIT_SECONDS = 5.0
"""After a NetworkPolicy was written."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 60.0
"""Until a trial that showed nothing is repeated; doubled each time."""
MISSES = 3
"""So many trials in a row that show nothing take away what was shown, by this operator or by one before it."""


@dataclass(slots=True)
class _Standing:
    """Of one pod. `since`: when the first of its trials came through that no other has contradicted."""

    since: float | None = None
    vain: int = 0
    """Trials in a row that settled nothing."""
    shown: Wall | None = None
    """Told last, and not taken back."""


class Trials:
    """Tries while `allowed()`: only the leader does. `canary` None: nothing is ever tried."""

    def __init__(
        self,
        client: ApiClient,
        pods: Pods,
        canary: Canary | None,
        allowed: Callable[[], bool],
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._pods = pods
        self._canary = canary
        self._allowed = allowed
        self._count = count
        self._clock = clock
        self._jitter = jitter
        self._known: dict[str, _Standing] = {}
        self._queue: WorkQueue[str] = WorkQueue(clock)

    def heard(self, pod: Pod) -> None:
        """A pod has answered: one that was never tried is tried now."""
        if self._canary is not None and pod.seen.uid not in self._known:
            self._known[pod.seen.uid] = _Standing()
            self._queue.add(pod.seen.uid)

    def again(self, agent: Key) -> None:
        """The NetworkPolicy of these pods was written."""
        for pod in self._pods.of(agent):
            if pod.seen.uid in self._known:
                self._queue.add(pod.seen.uid, delay=EDIT_SECONDS)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._known.pop(uid, None)
        self._queue.drop(uid)

    def forget_all(self) -> None:
        """Another replica led meanwhile."""
        self._known.clear()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(TRIALS_AT_ONCE):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                wait = await self._try(uid)
                if wait is not None:
                    self._queue.add(uid, delay=wait)
            finally:
                self._queue.done(uid)

    async def _try(self, uid: str) -> float | None:
        """Seconds until the next trial; None: when the pod is heard of again."""
        pod, standing = self._pods.get(uid), self._known.get(uid)
        if pod is None or standing is None or not self._may_be_asked(pod) or self._canary is None:
            self._known.pop(uid, None)
            return None
        trial = await self._trial(pod, self._canary)
        self._count(trial.wall)
        if self._known.get(uid) is not standing:
            return None
        wait = self._settle(uid, standing, trial)
        return wait * (0.75 + self._jitter() / 2)

    def _may_be_asked(self, pod: Pod) -> bool:
        return self._allowed() and bool(pod.address) and pod.controlled and not pod.seen.ended

    async def _trial(self, pod: Pod, canary: Canary) -> Trial:
        """Never raises: whatever a pod may answer, it has shown something or nothing."""
        try:
            return await self._ask(pod, canary)
        except Exception:
            log.exception("unexpected, in a trial of pod %s/%s", pod.agent.namespace, pod.seen.name)
            return Trial(Wall.UNPROVED, "could not be tried; see the operator's log")

    async def _ask(self, pod: Pod, canary: Canary) -> Trial:
        own = address_towards(pod.address)
        if own is None:
            return Trial(Wall.UNPROVED, "cannot be reached")
        with canary.watching(pod.address) as arrivals:
            try:
                echo = echo_of(await self._client.pod_status(pod.address, ANSWER_SECONDS, canary=canary.port))
            except ApiError as error:
                log.debug("pod %s/%s did not try: %s", pod.agent.namespace, pod.seen.name, error)
                return Trial(Wall.UNPROVED, "gave no answer when it was asked to try")
            if echo is None or echo.pod_uid != pod.seen.uid:
                return Trial(Wall.UNPROVED, "gave no answer when it was asked to try")
            self._pods.echoed(pod.seen.uid, echo)
            listening = await canary.hears(own)
            arrived = arrivals() > 0
        return judge(echo.canary, own=own, listening=listening, arrived=arrived)

    def _settle(self, uid: str, standing: _Standing, trial: Trial) -> float:
        """Tell what is known now; seconds until the next trial."""
        if trial.wall is Wall.HOLDS:
            standing.since = None
        if trial.wall is Wall.OPEN:
            standing.since = self._clock() if standing.since is None else standing.since
            trial = trial if self._clock() - standing.since >= SETTLE_SECONDS else ONCE
        if trial.wall is not Wall.UNPROVED:
            standing.vain, standing.shown = 0, trial.wall
            self._pods.tried(uid, trial)
            return HELD_SECONDS if trial.wall is Wall.HOLDS else OPEN_SECONDS
        standing.vain += 1
        if (standing.shown is Wall.HOLDS) if trial is ONCE else (standing.vain >= MISSES):
            standing.shown = None
            self._pods.tried(uid, trial)
        return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * float(2 ** min(standing.vain - 1, 10)))
