"""Conversations: ids that this runtime issues, bound to their caller, with the label that they have reached.

A request without an id begins one; the answer's X-Regent-Conversation says which. Where no state is shared by all
pods of the agent none is kept, because an id that only one pod knows would fail at the next.
"""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass

from regent_api.config import AgentConfig
from regent_api.policy import StateError
from regent_api.types import Sensitivity
from regent_runtime.attendance import FIRST_SECONDS, turn_seconds
from regent_runtime.callers.caller import Caller
from regent_runtime.decision import Stage, decided
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import CONVERSATION_NOT_FOUND, INVALID_VALUE, STATE_UNAVAILABLE, Refused
from regent_runtime.state.contract import CONVERSATION_SECONDS, Conversation, StateAway, Visit, hashed
from regent_runtime.state.source import StateInUse

NONE_KEPT = nullcontext()
_ID = re.compile(r"[-_a-zA-Z0-9]{16,64}", re.ASCII)


@dataclass(frozen=True)
class Unread:
    """A conversation whose label cannot be read now: what was said in it counts as `data.unlabelled`."""

    nonce: str
    """Of this turn alone."""


Opened = Conversation | Unread | None
"""None: the turn is of no conversation."""


class Conversations:
    """Of one config."""

    def __init__(self, config: AgentConfig, state: StateInUse) -> None:
        self._kept = config.state.conversations
        self._floor = max(config.sensitivity, config.policy.data.min_sensitivity)
        self._sources = config.sources
        self._state = state
        pod, idle_after = state.attendance.pod, config.drain.idle_after_seconds
        self._beginning = Visit(pod, FIRST_SECONDS)
        self._going_on = Visit(pod, turn_seconds(idle_after))
        self._resting = Visit(pod, idle_after)

    def attended(self, caller: Caller, record: TurnRecord) -> AbstractAsyncContextManager[None]:
        """A turn. When it has ended its conversation, if `open` gives it one, is active for `drain.idleAfter` more.

        Where the state cannot be told, the turn's last visit stands.
        """
        return self._attending(caller, record) if self._kept else NONE_KEPT

    @asynccontextmanager
    async def _attending(self, caller: Caller, record: TurnRecord) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if record.conversation:
                with suppress(StateAway):
                    await self._ended(record.conversation, owner(caller))

    async def _ended(self, id_: str, owner_: str) -> None:
        attendance = self._state.attendance
        try:
            if attendance.is_last(id_):
                attendance.told(await self._state.state.rest(id_, owner_, self._resting))
        finally:
            attendance.ends(id_)

    async def open(self, id_: str | None, caller: Caller, record: TurnRecord) -> Opened:
        """The caller's conversation, or a new one; None: none is kept.

        Raises Refused: 404 for an id that is unknown or another caller's, 503 when nobody can tell. Where
        `onStateError` is Local a turn that bears no id goes on without a conversation, and one that bears an id with
        an Unread one.
        """
        try:
            found = await (self._begun(caller) if id_ is None else self._attended(id_, caller))
        except StateAway:
            if self._state.on_error is not StateError.LOCAL:
                raise self._away(record) from None
            return None if id_ is None else Unread(secrets.token_hex(16))
        record.conversation = found.id if found else ""
        return found

    async def keep(
        self, conversation: Opened, label: Sensitivity, retention_seconds: float | None, record: TurnRecord
    ) -> None:
        """Let the conversation bear at least what a turn reached by itself, before the turn goes anywhere.

        `retention_seconds`: how long its class lets it be kept after its last turn. Raises Refused: 404 when it was
        deleted meanwhile, 503. What an Unread conversation cannot remember is not said in it: once the state is back,
        its label would have fallen.
        """
        if isinstance(conversation, Unread):
            if label > self._floor:
                raise self._away(record)
            return
        if conversation is None:
            return
        state, known = self._state.state, (conversation.id, conversation.owner)
        try:
            if label > conversation.label and await state.raise_label(*known, label) is None:
                raise not_found()
            is_shorter = retention_seconds is not None and retention_seconds < CONVERSATION_SECONDS
            if retention_seconds is not None and is_shorter and not await state.shorten(*known, retention_seconds):
                raise not_found()
        except StateAway:
            raise unavailable() from None

    async def find(self, id_: str, caller: Caller, record: TurnRecord) -> Conversation:
        """The caller's conversation, whatever `onStateError` says. Raises Refused (404, 503)."""
        try:
            found = await self._recalled(id_, caller)
        except StateAway:
            raise unavailable() from None
        record.conversation, record.sensitivity = found.id, found.label
        return found

    async def close(self, caller: Caller, record: TurnRecord) -> None:
        """Delete the conversation where the caller has said that its turn is the last, before the answer ends.

        While the state is away, the conversation is active until it is idle instead: the answer is not held back.
        """
        if record.closes and record.conversation:
            with suppress(StateAway):
                await self._state.state.forget(record.conversation, owner(caller))

    async def delete(self, found: Conversation) -> None:
        """Raises Refused: 404 when it was deleted meanwhile, 503."""
        try:
            known = await self._state.state.forget(found.id, found.owner)
        except StateAway:
            raise unavailable() from None
        if not known:
            raise not_found()

    async def forget_all(self, caller: str) -> bool:
        """Delete every conversation of the caller with this digest; False: the state cannot be reached."""
        try:
            await self._state.state.forget_all(hashed("conversations", caller))
        except StateAway:
            return False
        return True

    def _away(self, record: TurnRecord) -> Refused:
        record.decisions.append(decided(self._sources, Stage.CONVERSATION, "Deny", "onStateError", "state_away"))
        return unavailable()

    async def _begun(self, caller: Caller) -> Conversation | None:
        if not self._kept:
            return None
        fresh = Conversation(secrets.token_urlsafe(18), owner(caller), self._floor, secrets.token_hex(16))
        attendance = self._state.attendance
        attendance.told(await self._state.state.begin(fresh, self._beginning))
        attendance.begins(fresh.id)
        return fresh

    async def _attended(self, id_: str, caller: Caller) -> Conversation:
        """In flight before the state is asked: a turn that ends meanwhile must not cut this one's visit short."""
        if not self._knows(id_):
            raise not_found()
        attendance = self._state.attendance
        found = None
        attendance.begins(id_)
        try:
            found = await self._state.state.attend(id_, owner(caller), self._going_on)
        finally:
            if found is None:
                attendance.ends(id_)
        if found is None:
            raise not_found()
        attendance.told(found.active)
        return found.conversation

    async def _recalled(self, id_: str, caller: Caller) -> Conversation:
        found = await self._state.state.recall(id_, owner(caller)) if self._knows(id_) else None
        if found is None:
            raise not_found()
        return found

    def _knows(self, id_: str) -> bool:
        """Whether the id may be one that was issued here."""
        return self._kept and _ID.fullmatch(id_) is not None


def closes(stated: str | None) -> bool:
    """Whether X-Regent-Conversation-End says that the turn is the last. Raises Refused (400)."""
    if stated not in {None, "true", "false"}:
        words = "X-Regent-Conversation-End must be true or false."
        raise Refused(INVALID_VALUE, words, param="X-Regent-Conversation-End")
    return stated == "true"


def owner(caller: Caller) -> str:
    """What the state knows of a caller."""
    return hashed("conversations", caller.digest)


def not_found() -> Refused:
    words = "No conversation of yours has this id; leave X-Regent-Conversation out, and the answer brings a new one."
    return Refused(CONVERSATION_NOT_FOUND, words, param="X-Regent-Conversation")


def unavailable() -> Refused:
    return Refused(STATE_UNAVAILABLE, "The state that keeps conversations has no answer; try again.", retry_after=1)
