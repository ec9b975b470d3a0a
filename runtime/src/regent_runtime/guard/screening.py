"""Screens answers: what a policy's `guardrails.output` finds is recorded, rewritten, or ends the turn.

A guard that fails denies: what is not known to be clean does not go out.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from regent_api.policy import Action
from regent_runtime.config import Snapshot
from regent_runtime.decision import Decision, Stage, decided
from regent_runtime.guard.instructions import Repetition
from regent_runtime.guard.output import OutputGuard, Passes
from regent_runtime.guard.output_rules import INSTRUCTIONS_LEAK
from regent_runtime.guard.pieces import SMALL, pieces
from regent_runtime.guard.window import Treatment, Window
from regent_runtime.record import TurnRecord
from regent_runtime.telemetry import log
from regent_runtime.wire.answer import Chunk, ToolCall
from regent_runtime.wire.strings import is_number
from regent_runtime.withheld import Withheld

KEEP_ALIVE_SECONDS = 5.0
"""Between two signs of life of a turn that waits for its end."""
FAULT = "fault"

Decide = Callable[[Decision], None]


class Guards:
    """Those of one answer of a turn. Raises Withheld where they cannot begin.

    Policies in mode Audit read the same answer, and tell what they would have found beyond that.
    """

    def __init__(self, snapshot: Snapshot, record: TurnRecord) -> None:
        guard, self._record = snapshot.output_guard, record
        try:
            self._screening = Screening(guard, record.decisions.append)
        except Exception as error:  # noqa: BLE001 - secrets that cannot be read, or too many of them
            raise _failed(error, guard, record.decisions.append) from None
        shadows = snapshot.shadows
        self._observers = [Observer(name, shadows[name].output_guard) for name in shadows] if shadows else ()
        self._clock = asyncio.get_running_loop().time
        self._told = self._clock()

    async def let(self, chunk: Chunk) -> Chunk | None:
        """What may go out now. An empty chunk only says that the turn is alive. Raises Withheld."""
        if chunk.usage is not None:
            self._record.usage = chunk.usage  # known even of an answer that goes no further
        for observer in self._observers:
            await observer.feed(chunk)
        released = await self._screening.feed(chunk)
        now = self._clock()
        if not released and now - self._told < KEEP_ALIVE_SECONDS:
            return None
        self._told = now
        return released

    def end(self) -> None:
        """The answer has."""
        for observer in self._observers:
            self._record.decisions += observer.beyond(self._record.decisions)


class Screening:
    """One answer under one policy. `decide` is told once of each rule that found something."""

    def __init__(self, guard: OutputGuard, decide: Decide) -> None:
        self._guard = guard
        self._decide = decide
        self._found = _Found(guard, decide)
        self._passes = guard.passes()
        self._content = self._text()
        self._refusal: _Text | None = None
        self._finished = False

    async def feed(self, chunk: Chunk) -> Chunk:
        """What of it, and of what waited, may go out; nothing is said after the finish. Raises Withheld."""
        if self._finished:
            return Chunk(usage=chunk.usage)
        self._finished = chunk.finish_reason is not None
        try:
            content = await self._content.feed(chunk.content, final=self._finished)
            refusal, calls = "", chunk.tool_calls
            if chunk.refusal or self._refusal is not None:
                self._refusal = self._refusal or self._text()
                refusal = await self._refusal.feed(chunk.refusal, final=self._finished)
            if calls:
                calls = tuple([ToolCall(call.name, await self._within(call.arguments)) for call in calls])
        except Withheld:
            raise
        except Exception as error:  # noqa: BLE001 - the one place where a fault of a guard becomes a refusal
            raise _failed(error, self._guard, self._decide) from None
        if content == chunk.content and refusal == chunk.refusal and not calls:
            return chunk
        return Chunk(content, refusal, chunk.finish_reason, chunk.usage, calls, chunk.working, chunk.size)

    async def _within(self, value: Any) -> Any:
        """The arguments of a call with each text screened by itself. A number too, which may be a card's."""
        if isinstance(value, dict):
            return {await self._whole(key): await self._within(each) for key, each in value.items()}
        if isinstance(value, list):
            return [await self._within(each) for each in value]
        if not isinstance(value, str) and not is_number(value):
            return value
        text = str(value)
        clean = await self._whole(text)
        return value if clean == text else clean

    async def _whole(self, text: str) -> str:
        await asyncio.sleep(0)  # a call may have very many texts
        return await self._text().feed(text, final=True)

    def _text(self) -> "_Text":
        guard = self._guard
        repetition = (
            Repetition(guard.instructions) if guard.instructions and guard.instructions.are_looked_for else None
        )
        windows = [each.window(self._found.seen) for each in self._passes.each]
        return _Text(windows, self._passes, repetition, self._found.leaked)


class _Found:
    """What rules found in one answer. Texts hold it, so it holds none: what a turn held goes when the turn does."""

    def __init__(self, guard: OutputGuard, decide: Decide) -> None:
        self._guard = guard
        self._decide = decide
        self._told: set[tuple[str, str]] = set()

    def leaked(self) -> None:
        self._decided(INSTRUCTIONS_LEAK, "instructions", [each.value for each in self._guard.policy.instructions_leak])

    def seen(self, treatment: Treatment) -> None:
        self._decided(treatment.field, treatment.reason, treatment.actions, treatment.policies)

    def _decided(
        self, field: str, reason: str, actions: Sequence[str], policies: tuple[str, ...] | None = None
    ) -> None:
        if (field, reason) not in self._told:
            self._told.add((field, reason))
            for action in actions:
                decision = decided(self._guard.sources, Stage.OUTPUT, action, field, reason)
                self._decide(decision if policies is None else replace(decision, policies=policies))
        if Action.DENY in actions:
            raise Withheld(self._guard.refusal)


class _Text:
    """One text of an answer on its way through the windows."""

    def __init__(
        self, windows: Sequence[Window], passes: Passes, repetition: Repetition | None, leaked: Callable[[], None]
    ) -> None:
        self._windows = windows
        self._repetition = repetition
        self._leaked = leaked
        self._waits = passes.waits
        self._waiting: list[bytes] = []
        self._is_quick = not passes.waits and repetition is None and passes.are_quick
        """Whether a small piece goes through all windows on the event loop."""

    async def feed(self, text: str, *, final: bool) -> str:
        data = text.encode()
        if self._is_quick and not final and len(data) <= SMALL:
            if data:
                for window in self._windows:
                    data = window.feed(data)
            return data.decode()
        if not data and not final:
            return ""
        out: list[bytes] = []
        *parts, last = [data] if len(data) <= SMALL else pieces(data)
        for piece in parts:
            out.append(await self._through(piece, final=False))
            await asyncio.sleep(0)
        out.append(await self._through(last, final=final))
        if not self._waits:
            return b"".join(out).decode()
        self._waiting += out
        if not final:
            return ""
        return b"".join(self._waiting).decode()

    async def _through(self, piece: bytes, *, final: bool) -> bytes:
        if self._repetition is not None and self._repetition.feed(piece.decode(), final=final):
            self._repetition = None
            self._leaked()
        for window in self._windows:
            piece = await window.pass_on(piece, final=final)
        return piece


class Observer:
    """The same answer under a policy in mode Audit: it only tells."""

    def __init__(self, name: str, guard: OutputGuard) -> None:
        self._name = name
        self._found: list[Decision] = []
        self._ended = False
        try:
            self._screening = Screening(guard, self._found.append)
        except Exception as fault:  # noqa: BLE001 - a trial must not harm the turn that it watches
            self._end(fault)

    async def feed(self, chunk: Chunk) -> None:
        if not self._ended:
            try:
                await self._screening.feed(chunk)
            except Withheld:
                self._ended = True
            except Exception as fault:  # noqa: BLE001 - as above
                self._end(fault)

    def beyond(self, decisions: Sequence[Decision]) -> list[Decision]:
        """What was found that the policies in force did not do something about anyway."""
        done = {(each.action, each.field, each.reason) for each in decisions if not each.shadow}
        return [
            replace(each, policies=(self._name,), shadow=self._name)
            for each in self._found
            if (each.action, each.field, each.reason) not in done
        ]

    def _end(self, fault: Exception) -> None:
        self._ended = True
        self._found.append(Decision(Stage.OUTPUT, "Fault", reason=type(fault).__name__))


def _failed(error: Exception, guard: OutputGuard, decide: Decide) -> Withheld:
    """What is not known to be clean does not go out."""
    log.write(FAULT, stage=Stage.OUTPUT, exception=type(error).__name__, at=log.place(error))
    decide(Decision(Stage.OUTPUT, Action.DENY.value, reason=FAULT))
    return Withheld(guard.refusal)
