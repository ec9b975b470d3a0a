"""Screening what a caller sends: every text that a model will read and that nobody vouches for.

Attack patterns, the injection model and the policy's own patterns look at each text and at all that it decodes to;
special tokens are escaped in what goes on. Nothing is read whole in one go: a text is taken in pieces, and after each
few the event loop has its turn. A guard that fails, for whatever reason, denies.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache
from math import inf
from typing import Any

from regent_api.config import AgentConfig
from regent_api.policy import Action
from regent_runtime.decision import Decision, Stage
from regent_runtime.guard import house, injection, special_tokens
from regent_runtime.guard.decoding import views
from regent_runtime.guard.findings import Findings, PatternKey, decisions, denies
from regent_runtime.guard.normalise import fold
from regent_runtime.guard.patternset import PatternSet
from regent_runtime.record import TurnRecord
from regent_runtime.telemetry import log
from regent_runtime.wire.images import words
from regent_runtime.wire.request import STRUCTURED, ChatRequest
from regent_runtime.wire.strings import strings
from regent_runtime.withheld import Withheld

PIECE = 4096
"""Characters that are looked at between two turns of the event loop: 1 ms at 250 us/KB."""
OVERLAP = 512
"""Characters that a piece shares with the one before: no pattern of the house matches more."""
MOST_SCORED = 262_144
"""Characters of a text that the injection model weighs: as many from its end as from its beginning."""
SECONDS = 10.0
"""For all texts of a turn together, whatever patterns users wrote; a guard that takes longer has failed."""
FAILED = "guard-failed"


class Unbroken(Exception):  # noqa: N818
    """A text that holds special tokens goes on for more than a PIECE with nothing that ends a word."""


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
            async with asyncio.timeout(SECONDS):
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
        found = Findings()
        unpaused = 0
        for text in untrusted(request):
            async for looked in self._look_at(text, found):
                unpaused += looked
                if unpaused >= PIECE:
                    unpaused = 0
                    await asyncio.sleep(0)
        return found

    async def _look_at(self, text: str, found: Findings) -> AsyncIterator[int]:
        """Look at a text piece by piece; the characters that each took."""
        await self._ask_users([text.encode("utf-8", "replace")], found)
        for begin, piece in pieces(text):
            folded = fold(piece)
            yield len(piece)
            for _, part in pieces(folded):  # one, but where a character folds to many
                await self._match(part, found)
                yield len(part)
                if self._model is not None and weighed(begin, len(text)):
                    found.score = max(found.score, self._model.score(part.encode("utf-8", "replace")))
                found.special_tokens = found.special_tokens or special_tokens.found(part)
                yield len(part)

    async def _match(self, folded: str, found: Findings) -> None:
        plain, loose = self._house
        read = []
        for view in views(folded):
            hits = (loose if view.loose else plain).match(view.text)
            found.house.update(self._names[hit] for hit in hits)
            if not view.loose:
                read.append(view.text)
        await self._ask_users(read, found)

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


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Begin and characters of each piece; each overlaps the one before it."""
    begin = 0
    while begin == 0 or begin + OVERLAP < len(text):
        yield begin, text[begin : begin + PIECE]
        begin += PIECE - OVERLAP


def weighed(begin: int, length: int) -> bool:
    """Whether the model weighs the piece that begins there in a text of that length."""
    return begin < MOST_SCORED // 2 or begin + PIECE > length - MOST_SCORED // 2


def untrusted(request: ChatRequest) -> Iterator[str]:
    """Every text of a request that a model will read and that the caller chose freely. What images show is none."""
    for message in request.messages:
        yield words(message["content"])
        for call in message.get("tool_calls", ()):
            yield "\n".join(strings(call["arguments"], numbers=True))
    for name in STRUCTURED:
        if texts := list(strings(request.forwarded.get(name))):
            yield "\n".join(texts)


async def escaped(request: ChatRequest) -> ChatRequest:
    """The request with its special tokens made harmless in every untrusted text."""
    messages = [await _escaped_message(message) for message in request.messages]
    forwarded = dict(request.forwarded)
    for name in STRUCTURED:
        if name in forwarded:
            forwarded[name] = await _escaped(forwarded[name])
    return dataclasses.replace(request, messages=messages, forwarded=forwarded)


async def _escaped_message(message: dict[str, Any]) -> dict[str, Any]:
    made = {**message, "content": await _escaped(message["content"])}
    if "tool_calls" in message:
        made["tool_calls"] = [
            {**call, "arguments": await _escaped(call["arguments"])} for call in message["tool_calls"]
        ]
    return made


async def _escaped_text(text: str) -> str:
    """Raises Unbroken."""
    parts = []
    for block in blocks(text):
        parts.append(special_tokens.escape(block))
        if len(block) < len(text):
            await asyncio.sleep(0)
    return "".join(parts)


def blocks(text: str) -> Iterator[str]:
    """A text in blocks of a PIECE and a little more, cut where no special token can be. Raises Unbroken."""
    begin = 0
    while begin + PIECE < len(text):
        cut = special_tokens.BREAK.search(text, begin + PIECE, begin + 2 * PIECE)
        if cut is None and begin + 2 * PIECE < len(text):
            raise Unbroken
        end = cut.end() if cut else len(text)
        yield text[begin:end]
        begin = end
    yield text[begin:]


async def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return await _escaped_text(value)
    if isinstance(value, list):
        return [await _escaped(entry) for entry in value]
    if isinstance(value, dict):
        return {await _escaped_text(key): await _escaped(entry) for key, entry in value.items()}
    return value


@cache
def _house() -> tuple[PatternSet, PatternSet]:
    """The patterns of the house for plain and for loose views, compiled once a process."""
    return PatternSet(house.plain()), PatternSet(house.loose())
