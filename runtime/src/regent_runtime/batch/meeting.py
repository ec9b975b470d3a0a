"""Where the requests of one batch meet before they are sent: those that may go together do.

Each request is a turn of its own until here, and again from here on: with limits, guards and records of its own. It
waits until every other one has come or ended, but not long: one may be held up by this one (equal requests share a
provider's answer, and the second waits for the first). Whatever becomes of a group, nobody
waits for ever and nobody gets another's answer: who got none asks alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from regent_api.config import ProviderConfig
from regent_runtime.batch.grouping import Question, groups, may_be_grouped
from regent_runtime.batch.together import Together, shares
from regent_runtime.config import Snapshot
from regent_runtime.decision import Decision, Stage
from regent_runtime.guard.gate import Open, Screen, passed
from regent_runtime.prompt import weight
from regent_runtime.record import ANSWERED, TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.route import fallback, windows
from regent_runtime.route.errors import Interrupted
from regent_runtime.route.witness import Witness
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.request import ChatRequest

MOST_WAIT_SECONDS = 2.0
"""Of the first for the last."""
GROUP = "Group"
"""The action of the decision that sends a request with others."""
FOR_GROUP = "group"
UNSPLIT = "group_unsplit"
"""Details of an attempt that was made for several requests: its answer was theirs, or nobody's."""


class Meeting:
    """Of one batch."""

    def __init__(self) -> None:
        self._seats: list[Seat] = []
        self._awaited: set[Seat] = set()
        self._come: set[Seat] = set()
        self._over = asyncio.Event()

    def seat(self, *, is_awaited: bool = True) -> "Seat":
        """For one request. All are to be taken before the first comes; each is left, come what may."""
        seat = Seat(self)
        self._seats.append(seat)
        if is_awaited:
            self._awaited.add(seat)
        return seat

    async def come(self, seat: "Seat") -> Chunk | None:
        """The answer that the seat's question got in a group; None: it is to be asked alone."""
        if self._over.is_set():
            return None
        self._awaited.discard(seat)
        self._come.add(seat)
        self._form()
        try:
            async with asyncio.timeout(MOST_WAIT_SECONDS):
                await self._over.wait()
        except TimeoutError:
            self._awaited.clear()
            self._form()
        if seat.group is None:
            return None
        return await seat.group.answer(seat)

    def left(self, seat: "Seat") -> None:
        seat.gone = True
        self._awaited.discard(seat)
        if seat.group is not None:
            seat.group.left(seat)
        if not self._over.is_set():
            self._come.discard(seat)
            self._form()

    def _form(self) -> None:
        if self._awaited or self._over.is_set():
            return
        self._over.set()
        come = [seat for seat in self._seats if seat in self._come]
        for members in groups([seat.question for seat in come]):
            seats = [come[at] for at in members]
            if len(seats) > 1:
                group = _Group(seats)
                for seat in seats:
                    seat.group = group


class Seat:
    """One request's. `call` is fallback.Ask."""

    question: Question
    snapshot: Snapshot
    trail: Witness

    def __init__(self, meeting: Meeting) -> None:
        self.group: _Group | None = None
        self.gone = False
        self._meeting = meeting

    def leave(self) -> None:
        """The request has ended."""
        self._meeting.left(self)

    async def call(
        self,
        snapshot: Snapshot,
        candidates: Sequence[ProviderConfig],
        request: ChatRequest,
        record: TurnRecord,
        trail: Witness,
        screen: Screen,
    ) -> AsyncGenerator[Chunk]:
        """As fallback.call, with an answer out of a group where there is one."""
        self.question, self.snapshot, self.trail = Question(request, candidates, record), snapshot, trail
        answer = None
        if may_be_grouped(self.question, snapshot.config):
            answer = await self._meeting.come(self)
        else:
            self._meeting.left(self)
        asked = fallback.call(snapshot, candidates, request, record, trail, screen) if answer is None else None
        async with aclosing(asked or passed(answer or Chunk(), screen)) as chunks:
            async for chunk in chunks:
                yield chunk


class _Group:
    """Several requests that go to a model as one: the first one's turn asks, and pays."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._seats = seats
        self._answers: dict[Seat, Chunk] = {}
        self._ended = asyncio.Event()

    async def answer(self, seat: Seat) -> Chunk | None:
        if seat is self._seats[0]:
            try:
                await self._ask()
            finally:
                self._ended.set()
        await self._ended.wait()
        return self._answers.get(seat)

    def left(self, seat: Seat) -> None:
        """A turn has ended; without the one that asks, or would have, nobody is to wait."""
        if seat is self._seats[0]:
            self._ended.set()

    async def _ask(self) -> None:
        first = self._seats[0]
        config, providers, record = first.snapshot.config, first.question.providers, first.question.record
        requests = [seat.question.request for seat in self._seats]
        together = Together(requests, requests[0].told(config))
        if not _fits(first, together.request):
            return
        reason = f"{len(self._seats)} requests in turn {record.id}"
        for seat in self._seats:
            seat.question.record.decisions.append(Decision(Stage.ROUTE, GROUP, reason=reason))
        before = len(record.attempts)
        calling = fallback.call(first.snapshot, providers, together.request, record, self, Open)
        try:
            async with aclosing(calling) as chunks:
                answer = [chunk async for chunk in chunks]
        except (Refused, Interrupted):
            record.usage, record.model = None, ""
            return
        finally:
            self._tell_dead_keys()
        texts = together.split(answer)
        for attempt in record.attempts[before:]:
            if attempt.outcome == ANSWERED:
                attempt.detail = FOR_GROUP if texts else UNSPLIT
        self._share(texts or [], answer)

    def _tell_dead_keys(self) -> None:
        """What was found out for all of them, all of them know."""
        for name, keys in self._seats[0].question.record.dead_keys.items():
            for seat in self._seats[1:]:
                seat.question.record.dead_keys.setdefault(name, set()).update(keys)

    def _share(self, texts: Sequence[str], answer: Sequence[Chunk]) -> None:
        record = self._seats[0].question.record
        model, record.usage = record.model, None
        usage = next((chunk.usage for chunk in reversed(answer) if chunk.usage), None)
        if not texts:
            record.model = ""
        for seat, text, share in zip(self._seats, texts, shares(usage, texts), strict=False):
            seat.question.record.model, seat.question.record.group = model, record.id
            self._answers[seat] = Chunk(text, finish_reason="stop", usage=share)

    async def attempt(self, provider: str, model: str, detail: str = "") -> None:
        """Witness: the attempt is written down for each of the turns that it is made for."""
        for seat in self._seats:
            if not seat.gone:
                await seat.trail.attempt(provider, model, detail)


def _fits(seat: Seat, request: ChatRequest) -> bool:
    config = seat.snapshot.config
    most = (windows.of_input(request, config, provider) for provider in seat.question.providers)
    bounds = [config.policy.size.max_input_tokens, *(window for window in most if window is not None)]
    return weight.of_prompt(request, config) <= min(bounds)
