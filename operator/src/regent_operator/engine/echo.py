"""What the pods prove: asks each pod of each agent what it holds, quickly after a change, slowly otherwise.

A config that was just written goes along with the question, once to each pod that has shown itself: the kubelet would
bring it too, but later. While an agent's pods do not all echo the digest that is expected of them, the wait before the
next question is a quarter of the time since the change, within 0.1 s and 2 s: an edit that takes a second in the pods
is seen a quarter of a second later at the worst. Bounded: so many questions at a time, and a deadline for each.

Of an agent that waits for its look, pods that all proved what is expected are asked when the look comes, beside it and
once: while thousands come up, one waits for minutes, and nobody would hear what its pods say meanwhile.
"""

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from regent_operator.engine.answers import Object
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import Pod, Pods
from regent_operator.engine.resources import Key
from regent_operator.engine.together import together
from regent_operator.plan.echo import echo_of

log = logging.getLogger(__name__)
QUESTIONS_AT_ONCE = 32
ANSWER_SECONDS = 1.0
OFFER_SECONDS = 5.0
"""A pod understands a config before it answers, and all pods of a node may do so at once."""
SOONEST_SECONDS = 0.1
QUICK_LIMIT_SECONDS = 2.0
EAGERNESS = 0.25
SLOW_SECONDS = 45.0


@dataclass(slots=True)
class _Expected:
    """`since` is when the expectation, or a pod that it is about, was last new."""

    digest: str | None
    since: float
    offer: Mapping[str, str] | None = None
    """The data of the ConfigMap, until every pod has answered it."""
    answered: frozenset[str] = frozenset()
    """The uids of the pods that took the offer, or refused it."""


class EchoRounds:
    """Asks while `allowed()`: only the leader does. `waits`: whether an agent is to be looked at as soon as may be."""

    def __init__(
        self,
        client: ApiClient,
        pods: Pods,
        allowed: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        waits: Callable[[Key], bool] = lambda _agent: False,
    ) -> None:
        self._client = client
        self._pods = pods
        self._allowed = allowed
        self._waits = waits
        self._clock = clock
        self._jitter = jitter
        self._expected: dict[Key, _Expected] = {}
        self._due: list[tuple[float, Key]] = []
        self._next: dict[Key, float] = {}
        self._asking: set[Key] = set()
        self._put_off: set[Key] = set()
        """Agents whose pods are asked at the next look."""
        self._places = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._woken = asyncio.Event()

    def expect(self, agent: Key, digest: str | None) -> None:
        """The digest that every pod of the agent should echo; None: none has to.

        A new one is asked for at once, but where each pod has just told that: a new leader asks pods once, not twice.
        """
        known = self._expected.get(agent)
        if known is not None and known.digest == digest:
            return
        expected = self._expected[agent] = _Expected(digest, self._clock())
        told = all(pod.seen.echo is not None for pod in self._pods.of(agent) if _can_answer(pod))
        self._schedule(agent, self._pause(agent, expected) if told else SOONEST_SECONDS)

    def offer(self, agent: Key, digest: str, data: Mapping[str, str]) -> None:
        """Hand the data of the ConfigMap, which was just written, to the agent's pods at once; expect the digest."""
        self._expected[agent] = _Expected(digest, self._clock(), data)
        self._schedule(agent, 0)

    def look(self, agent: Key) -> None:
        """Something about the agent's pods changed: ask soon, and quickly for a while."""
        known = self._expected.get(agent)
        if known is not None:
            known.since = self._clock()
            self._schedule(agent, SOONEST_SECONDS)

    async def meet(self, agent: Key) -> bool:
        """Ask the pods that serve and were never asked before, and wait for the answers; have asked those put off.

        Otherwise a restarted operator would first tell that nothing is enforced, and a moment later the truth. False:
        one that serves has not answered, nor been asked so often that this says something.
        """
        if agent in self._put_off:
            self._put_off.discard(agent)
            self._schedule(agent, 0.0)
        strangers = [pod for pod in self._serving(agent) if not pod.met]
        await together(self._ask(pod, awaited=True) for pod in strangers)
        return all(pod.seen.echo is not None or self._pods.is_silent(pod.seen.uid) for pod in self._serving(agent))

    def _serving(self, agent: Key) -> list[Pod]:
        return [pod for pod in self._pods.of(agent) if pod.seen.ready and _can_answer(pod)]

    def forget(self, agent: Key) -> None:
        self._expected.pop(agent, None)
        self._next.pop(agent, None)
        self._put_off.discard(agent)

    def forget_all(self) -> None:
        """Another replica led meanwhile."""
        self._expected.clear()
        self._next.clear()
        self._put_off.clear()

    async def run(self) -> None:
        """Until cancelled. At most one round an agent at a time."""
        async with asyncio.TaskGroup() as rounds:
            while True:
                agent = await self._wait_for_due()
                self._asking.add(agent)
                rounds.create_task(self._round(agent))

    async def _wait_for_due(self) -> Key:
        while True:
            self._woken.clear()
            now = self._clock()
            while self._due and self._due[0][0] <= now:
                at, agent = heapq.heappop(self._due)
                if self._next.get(agent) == at and agent not in self._asking:
                    del self._next[agent]
                    return agent
            wait = self._due[0][0] - now if self._due else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def _round(self, agent: Key) -> None:
        """Ask every pod of one agent, then plan the next round."""
        if self._allowed():
            expected = self._expected.get(agent)
            pods = [pod for pod in self._pods.of(agent) if _can_answer(pod)]
            if expected is not None and self._waits(agent) and _prove(pods, expected.digest):
                self._put_off.add(agent)
            else:
                await together(self._ask(pod, expected) for pod in pods)
        self._asking.discard(agent)
        expected = self._expected.get(agent)
        wanted_at = self._next.pop(agent, None)
        if expected is None:
            return
        if wanted_at is not None:
            self._schedule(agent, wanted_at - self._clock())
        self._schedule(agent, self._pause(agent, expected))

    def _pause(self, agent: Key, expected: _Expected) -> float:
        pods = [pod for pod in self._pods.of(agent) if _can_answer(pod)]
        if all(_echoes(pod, expected.digest) for pod in pods):
            expected.offer = None
            return SLOW_SECONDS * (2 / 3 + self._jitter() * 2 / 3)
        age = self._clock() - expected.since
        return max(SOONEST_SECONDS, min(QUICK_LIMIT_SECONDS, age * EAGERNESS))

    async def _ask(self, pod: Pod, expected: _Expected | None = None, *, awaited: bool = False) -> None:
        """Never raises: whatever a pod may answer, it is heard or silent, and the others are asked."""
        self._pods.meet(pod.seen.uid)
        async with self._places:
            try:
                echo = echo_of(await self._told(pod, expected))
            except Exception as error:  # noqa: BLE001 -- a pod must not be able to end the operator
                log.debug("pod %s/%s gave no answer: %s", pod.agent.namespace, pod.seen.name, error)
                self._pods.silent(pod.seen.uid)
                return
        if echo is not None and echo.pod_uid == pod.seen.uid:
            self._pods.echoed(pod.seen.uid, echo, awaited=awaited)
        else:
            self._pods.silent(pod.seen.uid)

    async def _told(self, pod: Pod, expected: _Expected | None) -> Object:
        """What the pod says of itself, after it was handed the offer where there is one. Raises ApiError."""
        uid = pod.seen.uid
        if expected is None or expected.offer is None or uid in expected.answered or pod.seen.echo is None:
            return await self._client.pod_status(pod.address, ANSWER_SECONDS)
        try:
            told = await self._client.offer_config(pod.address, expected.offer, OFFER_SECONDS)
        except ApiError as error:
            if not 400 <= error.status < 500:
                raise
            told = await self._client.pod_status(pod.address, ANSWER_SECONDS)
        expected.answered |= {uid}
        return told

    def _schedule(self, agent: Key, wait: float) -> None:
        at = self._clock() + wait
        if agent in self._next and self._next[agent] <= at:
            return
        self._next[agent] = at
        heapq.heappush(self._due, (at, agent))
        self._woken.set()


def _prove(pods: list[Pod], digest: str | None) -> bool:
    """Whether there are any, and each has shown itself and holds what it should."""
    return bool(pods) and all(pod.seen.echo is not None and _echoes(pod, digest) for pod in pods)


def _can_answer(pod: Pod) -> bool:
    return bool(pod.address) and pod.controlled and not pod.seen.ended


def _echoes(pod: Pod, digest: str | None) -> bool:
    if digest is None:
        return True
    echo = pod.seen.echo
    return echo is not None and echo.digests is not None and echo.digests.config == digest
