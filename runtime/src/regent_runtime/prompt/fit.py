"""Makes a prompt fit what the policy and the model that is asked first take: the way there, step by step.

Repeated passages go, then old exchanges become a summary, then the agent's shorter instructions are used; it stops as
soon as the prompt fits, and writes down what each step did. The messages that instruct, and the exchange that is asked
now, are never touched. What still does not fit is refused, and no provider sees it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.decision import Stage, decided
from regent_runtime.guard.gate import Screen
from regent_runtime.limits.size import too_long
from regent_runtime.prompt import summary, weight
from regent_runtime.prompt.exchanges import exchanges
from regent_runtime.prompt.repeats import without_repeats
from regent_runtime.prompt.stretches import stretches
from regent_runtime.prompt.summarise import Surroundings, Unsummarised, summarise
from regent_runtime.record import Shortening, TurnRecord
from regent_runtime.refusals import CONTEXT_TOO_LONG, Refused
from regent_runtime.route import fallback, windows
from regent_runtime.route.choice import EXCLUDE
from regent_runtime.route.windows import WINDOW
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.request import ChatRequest

DEDUPLICATE = "Deduplicate"
SUMMARISE = "Summarise"
SHORT_INSTRUCTIONS = "ShortInstructions"
SHORTEN = "Shorten"
"""The action of a decision that the steps are to begin."""
CAP = "size.maxInputTokens"
SHARE_OF_SUMMARY = 8
LEAST_SUMMARY, MOST_SUMMARY = 48, 512
"""Tokens: an eighth of the room for the conversation, within these."""
SPARE_PERCENT = 5
"""Of a window whose server has counted the prompt: what is left of it may have another share of rare words."""


@dataclass(frozen=True)
class Bound:
    """Tokens of a prompt; `field`: of the policy or the route."""

    most: int
    field: str


def announce(
    config: AgentConfig, request: ChatRequest, providers: Sequence[ProviderConfig], record: TurnRecord
) -> None:
    """Write down that the prompt is to be made shorter, where that is known before anyone is asked."""
    if not config.prompt.shortens:
        return
    first, tokens = providers[0], weight.of_prompt(request, config)
    if not windows.is_to_be_counted(first, tokens):
        _announce(config, tokens, _bound(config, windows.of_input(request, config, first)), record)


def _announce(config: AgentConfig, tokens: int, bound: Bound, record: TurnRecord) -> None:
    if tokens > bound.most:
        reason = f"{tokens} tokens, at most {bound.most}"
        record.decisions.append(decided(config.sources, Stage.PROMPT, SHORTEN, bound.field, reason))


def asked(
    around: Surroundings, request: ChatRequest, screen: Screen, call: fallback.Ask = fallback.call
) -> AsyncGenerator[Chunk]:
    """The screened answer that `call` gets for the prompt as it fits. Raises what that raises; Refused (422, or what
    a summary was refused with) and Withheld before it.
    """
    if around.snapshot.config.prompt.shortens:
        return _fitted(around, request, screen, call)
    return call(around.snapshot, around.providers, request, around.record, around.trail, screen)


async def _fitted(
    around: Surroundings, request: ChatRequest, screen: Screen, call: fallback.Ask
) -> AsyncGenerator[Chunk]:
    providers, made = await _made_to_fit(around, request)
    calling = call(around.snapshot, providers, made, around.record, around.trail, screen)
    async with aclosing(calling) as chunks:
        async for chunk in chunks:
            yield chunk


async def _made_to_fit(around: Surroundings, request: ChatRequest) -> tuple[Sequence[ProviderConfig], ChatRequest]:
    """Whom the turn goes to, and with what."""
    config, providers = around.snapshot.config, around.providers
    for at, provider in enumerate(providers):
        bound = await _measured(around, request, provider)
        try:
            made = await _Fitting(around, request, bound).run()
        except Refused:
            if bound.field == CAP or at == len(providers) - 1:
                raise
        else:
            return _roomy(config, providers, weight.of_prompt(made, config), around.record), made
    raise AssertionError("a turn without candidates")


class _Fitting:
    """One prompt on its way."""

    def __init__(self, around: Surroundings, request: ChatRequest, bound: Bound) -> None:
        self._around = around
        self._config = around.snapshot.config
        self._request = request
        self._bound = bound
        self._tokens = weight.of_prompt(request, self._config)
        self._failed: Refused | None = None

    async def run(self) -> ChatRequest:
        if not self._fits:
            self._took(DEDUPLICATE, replace(self._request, messages=self._without_repeats()))
        if not self._fits:
            await self._summarise()
        short = self._config.prompt.short_instructions
        if not self._fits and short is not None:
            self._took(SHORT_INSTRUCTIONS, replace(self._request, instructions=short))
        if not self._fits:
            raise self._failed or _refused(self._tokens, self._config, self._bound)
        return self._request

    @property
    def _fits(self) -> bool:
        return self._tokens <= self._bound.most

    def _without_repeats(self) -> list[dict[str, Any]]:
        """The exchange that is asked now stays as it is."""
        messages = self._request.messages
        _, history = exchanges(messages)
        now = {id(message) for message in (history[-1].messages if history else ())}
        return [old if id(old) in now else new for old, new in zip(messages, without_repeats(messages), strict=True)]

    async def _summarise(self) -> None:
        request, config = self._request, self._config
        instructing, history = exchanges(request.messages)
        fixed = weight.of_messages(instructing)
        told = config.instructions
        room = self._bound.most - weight.of_fixed(request, told) - fixed
        cap = max(LEAST_SUMMARY, min(MOST_SUMMARY, room // SHARE_OF_SUMMARY))
        placed = weight.of_messages(summary.placed("")) + cap
        ends = stretches(history, room, placed)
        shortest = weight.at_least(request, config, self._tokens) + placed
        if not ends or shortest > self._bound.most:
            return
        try:
            text = await summarise(self._around, history, ends, request, cap=cap, most=self._bound.most)
        except Unsummarised as failed:
            self._failed = failed.refused
            return
        cut = next(at for at, each in enumerate(request.messages) if each is history[ends[-1]].messages[0])
        instructing = [each for each in request.messages[:cut] if each in instructing]
        kept = request.messages[cut:]
        shown = tuple(image for image in request.images if any(image in _images(message) for message in kept))
        self._took(SUMMARISE, replace(request, messages=[*instructing, *summary.placed(text), *kept], images=shown))

    def _took(self, step: str, request: ChatRequest) -> None:
        """Take a step that made the prompt shorter; another one is left."""
        tokens = weight.of_prompt(request, self._config)
        if tokens >= self._tokens:
            return
        record = self._around.record
        record.shortened.append(Shortening(step, self._tokens, tokens))
        reason = f"{self._tokens} tokens, now {tokens}"
        record.decisions.append(decided(self._config.sources, Stage.PROMPT, step, self._bound.field, reason))
        self._request, self._tokens = request, tokens


def _images(message: Mapping[str, Any]) -> Sequence[object]:
    return message["content"] if isinstance(message["content"], list) else ()


async def _measured(around: Surroundings, request: ChatRequest, provider: ProviderConfig) -> Bound:
    """As its server counts this prompt, where that decides. Raises Refused (503) as the trail does."""
    config, record = around.snapshot.config, around.record
    counter, tokens = around.snapshot.counters.get(provider.name), weight.of_prompt(request, config)
    if counter is None or not windows.is_to_be_counted(provider, tokens):
        return _bound(config, windows.of_input(request, config, provider))
    fits = await windows.room(config, counter, request, provider, record, around.trail)
    if fits is not None and tokens > fits:
        fits = max(1, fits * (100 - SPARE_PERCENT) // 100)
    bound = _bound(config, fits)
    _announce(config, tokens, bound, record)
    return bound


def _bound(config: AgentConfig, window: int | None) -> Bound:
    """The smaller one of what the policy and a model take."""
    most = config.policy.size.max_input_tokens
    return Bound(window, WINDOW) if window is not None and window < most else Bound(most, CAP)


def _roomy(
    config: AgentConfig, providers: Sequence[ProviderConfig], tokens: int, record: TurnRecord
) -> Sequence[ProviderConfig]:
    """Those whose windows the prompt fits: the one that it was made for is among them."""
    roomy = [each for each in providers if not windows.outgrown(each, tokens)]
    record.decisions += [
        decided(config.sources, Stage.ROUTE, EXCLUDE, WINDOW, provider.name)
        for provider in providers
        if provider not in roomy
    ]
    return roomy


def _refused(tokens: int, config: AgentConfig, bound: Bound) -> Refused:
    if bound.field == CAP:
        return too_long(tokens, config)
    words = f"The input has about {tokens} tokens; {bound.most} fit into the model that this turn may go to."
    return Refused(CONTEXT_TOO_LONG, words, param="messages")
