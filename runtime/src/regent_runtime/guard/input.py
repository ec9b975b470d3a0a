"""Screening what a caller sends: every text that a model will read and that nobody vouches for.

Attack patterns, the injection model and the policy's own patterns look at each text and at all that it decodes to;
special tokens are escaped in what goes on. Nothing is read whole in one go: a text is taken in parts, each look at a
part is a step of its own, and between steps the event loop has its turn. A guard that fails, however, denies.
"""

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from functools import cache
from math import inf

from regent_api.config import AgentConfig
from regent_api.policy import Action
from regent_runtime.decision import Decision, Stage
from regent_runtime.guard import house, injection, special_tokens
from regent_runtime.guard.decoding import views
from regent_runtime.guard.escaping import escaped
from regent_runtime.guard.findings import Findings, PatternKey, decisions, denies
from regent_runtime.guard.pace import Pace
from regent_runtime.guard.parts import STEP, parts
from regent_runtime.guard.patternset import PatternSet
from regent_runtime.record import TurnRecord
from regent_runtime.telemetry import log
from regent_runtime.watchdog import Within
from regent_runtime.wire.images import words
from regent_runtime.wire.request import STRUCTURED, ChatRequest
from regent_runtime.wire.strings import strings
from regent_runtime.withheld import Withheld

TOKEN = 4
"""Characters of ordinary text that the model reads in the time of a token."""
MOST_SCORED = 262_144
"""Characters of a text that the injection model weighs: as many from its end as from its beginning."""
SECONDS = 10.0
"""For all texts of a turn together, whatever patterns users wrote; a guard that takes longer has failed."""
FAILED = "guard-failed"


class InputGuard:
    """One config's. Raises ValueError when a pattern of the policy is none of RE2's."""

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._policies = {"": config.policy, **{shadow.name: shadow.policy for shadow in config.shadows}}
        inputs = [policy.guardrails.input for policy in self._policies.values()]
        self._house = _house()
        self._names = tuple(house.PATTERNS)
        users = {(each.policy, each.name): each.re2 for guards in inputs for each in guards.patterns}
        self._user_keys: tuple[PatternKey, ...] = tuple(users)
        self._users = PatternSet(tuple(users.values())) if users else None
        self._model = injection.model() if any(guards.injection.model for guards in inputs) else None

    async def screen(self, request: ChatRequest, record: TurnRecord) -> ChatRequest:
        """The request as it may go on. Raises Withheld when the policy denies it, or when a guard failed."""
        try:
            with Within(SECONDS):
                found = await self._look(request)
            record.confidence = injection.probability(found.score) if found.score > -inf else None
            made = [*self._decided(found)]
            record.decisions += made
            if not denies([decision for decision in made if not decision.shadow]):
                return await escaped(request) if found.special_tokens and self._escapes else request
        except Exception as error:  # noqa: BLE001 - whatever fails in a guard, the turn does not pass it
            log.write("guard_failed", turn=record.id, exception=type(error).__name__, at=log.place(error))
            record.decisions.append(Decision(Stage.INPUT, Action.DENY, reason=FAILED))
        raise Withheld(self._config.policy.guardrails.refusal)

    @property
    def _escapes(self) -> bool:
        return Action.ESCAPE in self._config.policy.guardrails.input.special_tokens

    async def _look(self, request: ChatRequest) -> Findings:
        found, pace = Findings(), Pace()
        for text in untrusted(request):
            await self._look_at(text, found, pace)
        return found

    async def _look_at(self, text: str, found: Findings, pace: Pace) -> None:
        if self._users is not None:
            await self._ask_users([text.encode("utf-8", "replace")], found)
        tokens: list[bytes] = []
        for part in parts(text):
            await pace.took(min(STEP, len(text)))
            if part.folded:
                await self._match(part.matched, found, pace)
                found.special_tokens = found.special_tokens or special_tokens.found(part.matched)
                await pace.took(len(part.matched))
            if self._model is not None and weighed(part.end, len(text)):
                tokens += injection.tokens_of(part.folded.encode("utf-8", "replace"))
                await pace.took(len(part.folded))
                await self._weigh(self._model.scores(tokens, more=part.end < len(text)), found, pace)

    async def _match(self, folded: str, found: Findings, pace: Pace) -> None:
        plain, loose = self._house
        read = []
        for view in views(folded):
            hits = (loose if view.loose else plain).match(view.text)
            if hits:
                found.house.update(self._names[hit] for hit in hits)
            if not view.loose:
                read.append(view.text)
            await pace.took(len(view.text))
        if self._users is not None:
            await self._ask_users(read, found)

    async def _weigh(self, scores: Iterator[tuple[int, float]], found: Findings, pace: Pace) -> None:
        for tokens, score in scores:
            found.score = max(found.score, score)
            await pace.took(TOKEN * tokens)

    async def _ask_users(self, texts: Sequence[bytes], found: Findings) -> None:
        """Match the users' patterns, in a thread where they may take long."""
        users = self._users
        if users is None:
            return

        def match() -> set[int]:
            return {hit for text in texts for hit in users.match(text)}

        hits = match() if sum(map(len, texts)) <= users.at_once else await asyncio.to_thread(match)
        found.users.update(self._user_keys[hit] for hit in hits)

    def _decided(self, found: Findings) -> Iterator[Decision]:
        """What the policy in force does, then what each shadow would do beyond it."""
        thresholds = injection.model().thresholds
        known: set[tuple[str, str, str]] = set()
        for shadow, policy in self._policies.items():
            sources = self._config.sources if not shadow else {}
            for decision in decisions(found, policy.guardrails.input, sources, thresholds):
                key = (decision.action, decision.field, decision.reason)
                if not shadow:
                    known.add(key)
                    yield decision
                elif key not in known:
                    yield dataclasses.replace(decision, shadow=shadow, policies=(shadow,))


def weighed(end: int, length: int) -> bool:
    """Whether the model weighs the part that ends there in a text of that length."""
    return end <= MOST_SCORED // 2 or end > length - MOST_SCORED // 2


def untrusted(request: ChatRequest) -> Iterator[str]:
    """Every text of a request that a model will read and that the caller chose freely. What images show is none."""
    for message in request.messages:
        yield words(message["content"])
        for call in message.get("tool_calls", ()):
            yield "\n".join(strings(call["arguments"], numbers=True))
    for name in STRUCTURED:
        if name in request.forwarded and (texts := list(strings(request.forwarded[name]))):
            yield "\n".join(texts)


@cache
def _house() -> tuple[PatternSet, PatternSet]:
    """The patterns of the house for plain and for loose views, compiled once a process."""
    return PatternSet(house.plain()), PatternSet(house.loose())
