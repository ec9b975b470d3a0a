"""The cache of a config: an answer that was given is given again to an equal request, for as long as the policy says.

It stands where a provider would be asked: all that lets a turn pass stands before it, and the guards of output after it
(an answer that they changed was never kept). A hit costs nothing. A cache that fails is one that knows nothing: the
turn asks a provider under all the rules that hold for it.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from regent_api.config import AgentConfig
from regent_api.types import Opinion
from regent_runtime.cache.embedder import embedder, lacking
from regent_runtime.cache.entry import Entry, Gathered, entry
from regent_runtime.cache.flights import Flights
from regent_runtime.cache.place import Place, Question, obstacle, owner, place
from regent_runtime.cache.semantic import Alike, Looked, Semantic
from regent_runtime.cache.shelf import Shelf
from regent_runtime.credentials import Credentials
from regent_runtime.decision import Stage, decided
from regent_runtime.guard.gate import Screen, passed
from regent_runtime.record import Reused, TurnRecord
from regent_runtime.state.source import StateInUse
from regent_runtime.wire.answer import Chunk

FIELD = "cache.maxSensitivity"
FIELD_OF_MEANING = "cache.semantic"
HIT = "hit"
SHARED = "shared"
MISS = "miss"
SEMANTIC = "semantic"

Ask = Callable[[], AsyncGenerator[Chunk]]
"""The screened answer of a provider."""


class Cache:
    """Of one config. `digest`: the config's."""

    def __init__(self, config: AgentConfig, digest: str, state: StateInUse, credentials: Credentials) -> None:
        self._config = config
        self._digest = digest
        self._shelf = Shelf(config, state, credentials)
        self._flights = Flights()
        cache = config.policy.cache
        means = cache.semantic is Opinion.ALLOW and not lacking()
        self._semantic = Semantic(cache.min_similarity, embedder(), self._shelf.questions) if means else None

    def look(self, question: Question, record: TurnRecord) -> Place | None:
        """Where an answer to the question is kept; None: nowhere. `record.cache` learns why."""
        if self._config.policy.cache.max_sensitivity is None:
            return None
        record.cache = obstacle(self._config, question)
        return None if record.cache else place(self._config, self._digest, question)

    def answer(self, kept_at: Place | None, record: TurnRecord, ask: Ask, screen: Screen) -> AsyncGenerator[Chunk]:
        """The answer that is kept, screened again; else what `ask` brings. Raises what both raise."""
        return ask() if kept_at is None else self._answered(kept_at, record, ask, screen)

    async def forget(self, caller: str) -> bool:
        """Delete every answer that the caller with this digest was given; False: the state cannot be reached."""
        gone = await self._shelf.forget(caller)
        if self._semantic is not None:  # now: a look in between would learn them again
            self._semantic.forget_all(owner(caller))
        return gone

    async def _answered(self, kept_at: Place, record: TurnRecord, ask: Ask, screen: Screen) -> AsyncGenerator[Chunk]:
        with await self._flights.join(kept_at.digest, self._config.route.timeouts.attempt) as seat:
            record.cache = MISS
            found = self._shared(seat.entry, record) or await self._same(kept_at, record)
            looked = Looked()
            if found is None and self._semantic is not None and kept_at.meant is not None:
                looked = await self._semantic.look(kept_at.meant)
                found = await self._alike(looked.alike, record)
            if found is not None:
                seat.land(found)
                self._reuse(found, looked.alike, record)
                async with aclosing(passed(found.again(), screen)) as clean:
                    async for chunk in clean:
                        yield chunk
                return
            gathered = Gathered()
            async with aclosing(ask()) as asked:
                async for chunk in asked:
                    gathered.saw(chunk)
                    yield chunk
            made = _entry(gathered, record)
            seat.land(made)
        if made is not None:
            await self._shelf.put(kept_at, made, looked.vector)

    def _shared(self, found: Entry | None, record: TurnRecord) -> Entry | None:
        record.cache = SHARED if found is not None else record.cache
        return found

    async def _same(self, kept_at: Place, record: TurnRecord) -> Entry | None:
        found = await self._shelf.get(kept_at.digest)
        record.cache = HIT if found is not None else record.cache
        return found

    async def _alike(self, alike: Alike | None, record: TurnRecord) -> Entry | None:
        """The answer to a question that means the same, if it is still there."""
        if alike is None or self._semantic is None:
            return None
        found = await self._shelf.get(alike.place)
        if found is None:
            self._semantic.forget(alike.place)
            return None
        record.cache = SEMANTIC
        return found

    def _reuse(self, found: Entry, alike: Alike | None, record: TurnRecord) -> None:
        similarity = alike.similarity if alike is not None else None
        record.reused = Reused(found.provider, found.model, found.saved, similarity)
        record.model = found.model
        record.decisions.append(
            decided(self._config.sources, Stage.ROUTE, "Reuse", FIELD_OF_MEANING if alike else FIELD, record.cache)
        )


def _entry(gathered: Gathered, record: TurnRecord) -> Entry | None:
    """What is kept of an answer that has gone by. None: nothing, since it is not whole, a guard changed it, or other
    requests were asked along with it and may have had a part in it.
    """
    text = gathered.text
    changed = any(
        each.stage is Stage.OUTPUT and each.action != "Audit" and not each.shadow for each in record.decisions
    )
    if text is None or changed or record.group or not record.attempts:
        return None
    bill = record.attempts[-1].bill
    return entry(text, bill.provider.name, bill.provider.model, bill.cost().usd)
