"""How many conversations are active at each pod, as the pods tell it themselves.

A question asks all of its pods at the same time. Each has a second from when it is asked; who does not answer is left
out, and never counted as none. Two questions about one pod at once are one, and an answer is good for a second.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.metrics_api.pods import AskablePod
from regent_operator.plan.echo import echo_of

log = logging.getLogger(__name__)
ANSWER_SECONDS = 1.0
FRESH_SECONDS = 1.0
QUESTIONS_AT_ONCE = 64
PLACE_SECONDS = 5.0
"""How long a pod's question waits for others, so that pods that hang do not make others look missing at once."""
MOST_KEPT = 10_000


@dataclass(frozen=True)
class Figure:
    pod: AskablePod
    conversations: int
    at: float
    """Unix time of the answer."""


class SilentError(Exception):
    """An agent's sum cannot be told; the message says which pod keeps it back."""


class Figures:
    """`close` ends the questions that run."""

    def __init__(
        self,
        client: ApiClient,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._clock = clock
        self._now = now
        self._places = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._asking: dict[str, asyncio.Task[Figure | None]] = {}
        self._kept: OrderedDict[str, tuple[float, Figure]] = OrderedDict()

    async def of(self, pods: Iterable[AskablePod]) -> list[Figure]:
        """Of the pods that answer, in their order."""
        asked = [self._ask(pod) for pod in pods if pod.address]
        # Shielded: who gives up waiting takes the answer from nobody else.
        found = await asyncio.gather(*(asyncio.shield(each) for each in asked))
        return [figure for figure in found if figure is not None]

    async def total(self, pods: Sequence[AskablePod]) -> tuple[int, float]:
        """Conversations at all of an agent's pods, and when the eldest of their figures was told.

        With the figure of a pod that serves missing it would be too small: there is none then. Raises SilentError.
        """
        figures = await self.of(pods)
        answered = {figure.pod.uid for figure in figures}
        silent = [pod.name for pod in pods if pod.serves and pod.uid not in answered]
        if silent:
            raise SilentError(f"pod {silent[0]} does not tell its figure")
        if not figures:
            raise SilentError("no pod of the agent tells a figure")
        return sum(figure.conversations for figure in figures), min(figure.at for figure in figures)

    async def close(self) -> None:
        running = list(self._asking.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ask(self, pod: AskablePod) -> "asyncio.Task[Figure | None]":
        running = self._asking.get(pod.uid)
        if running is None:
            running = asyncio.create_task(self._answer(pod))
            self._asking[pod.uid] = running
            running.add_done_callback(lambda _: self._asking.pop(pod.uid, None))
        return running

    async def _answer(self, pod: AskablePod) -> Figure | None:
        """None: no answer in time, or not the pod's own."""
        kept = self._kept.get(pod.uid)
        if kept is not None and self._clock() - kept[0] < FRESH_SECONDS:
            return kept[1]
        try:
            async with asyncio.timeout(PLACE_SECONDS + ANSWER_SECONDS), self._places:
                echo = echo_of(await self._client.pod_status(pod.address, ANSWER_SECONDS))
        except (ApiError, TimeoutError) as error:
            log.debug("pod %s/%s gave no figure: %s", pod.namespace, pod.name, error)
            return None
        if echo is None or echo.pod_uid != pod.uid:
            return None
        figure = Figure(pod, echo.active_conversations, self._now())
        self._kept[pod.uid] = (self._clock(), figure)
        self._kept.move_to_end(pod.uid)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return figure
