"""Turns that someone must approve first: asked for, decided, used once.

An approval is bound to the caller, the bytes of the body, the effective policy and the label of the turn, so what was
seen and approved is what runs. It waits in the state, sealed under its own name (`sealed`): the caller hands the name
to an approver, and without it nobody reads, decides or uses the approval. Deciding and using are atomic in the state.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from regent_api.config import AgentConfig
from regent_api.types import Sensitivity
from regent_runtime.access import membership
from regent_runtime.access.sealed import NAME_LENGTH, Seal, SealBroken, new_name
from regent_runtime.callers import Caller
from regent_runtime.decision import Stage, decided
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import (
    APPROVAL_DECIDED,
    APPROVAL_DENIED,
    APPROVAL_INVALID,
    APPROVAL_PENDING,
    APPROVAL_REQUIRED,
    APPROVAL_TOO_LARGE,
    DATA_CLASS_FORBIDDEN,
    NOT_AN_APPROVER,
    NOT_FOUND,
    OWN_APPROVAL,
    STATE_UNAVAILABLE,
    TOO_MANY_APPROVALS,
    Refused,
)
from regent_runtime.state.contract import (
    MOST_APPROVAL_BYTES,
    Approval,
    OwnerFull,
    State,
    StateAway,
    StateFull,
    Verdict,
    hashed,
)
from regent_runtime.wire.images import spoken
from regent_runtime.wire.request import ChatRequest

_LARGEST_SHOWN = 64 * MOST_APPROVAL_BYTES
"""Bytes of what comes out of the seal when it is unpacked."""
_ON_THE_LOOP = 16 * 1024
"""Bytes that are compressed at once: a fraction of a millisecond. More are in a thread."""


class Shown(Struct, frozen=True):
    """What an approver sees of a turn."""

    caller: str
    """As policies write subjects; empty for an anonymous caller."""
    sensitivity: Sensitivity
    requested: float
    expires: float
    """Unix time."""
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]
    """Other fields that a provider would get. All as a model would see it."""


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """A turn that wants to pass. `body`: the caller's bytes. `policy`: digest of the effective policy."""

    caller: Caller
    body: bytes
    policy: str
    sensitivity: Sensitivity
    request: ChatRequest
    """As a model would see it."""

    def binding(self, seal: Seal) -> str:
        parts = (self.caller.identity, self.policy, self.sensitivity.value)
        return seal.binding((self.body, *(part.encode() for part in parts)))


@dataclass(frozen=True, slots=True, repr=False)
class Judged:
    """An approval that an approver may decide on."""

    approval: Approval
    shown: Shown
    by: Caller


class Approvals:
    """The approvals of an agent's turns, under one config."""

    def __init__(self, state: State, config: AgentConfig, now: Callable[[], float] = time.time) -> None:
        self._state = state
        self._audience = config.agent.audience
        self._policy = config.policy.approvals
        self._now = now
        self._sources = config.sources

    async def check(self, case: Case, name: str | None, record: TurnRecord) -> None:
        """Let an approved turn pass, once; `name`: of its approval, from the caller. Raises Refused (403, 413, 503).

        Without the state nothing passes, whatever `onStateError` says.
        """
        field = f"data.classes.{case.sensitivity}.aiProcessing"
        try:
            if name is None:
                raise await self.request(case, record)
            await self.use(case, name, record)
        except StateAway:
            raise unavailable() from None
        except Refused as refused:
            refused.field = refused.field or field
            raise
        record.decisions.append(decided(self._sources, Stage.CLASS, "Allow", field, "approved"))

    async def request(self, case: Case, record: TurnRecord) -> Refused:
        """Keep a turn for approval, and what its caller is told. Raises Refused (403, 413, 503), StateAway."""
        subject = membership.subject(case.caller)
        if not self._policy.may_be_given:
            words = "Turns of this sensitivity need an approval, and nobody may give it."
            raise Refused(DATA_CLASS_FORBIDDEN, words, field="approvals.approvers")
        if subject is None and self._policy.four_eyes:
            words = "Turns of this sensitivity need someone else's approval; who is anonymous cannot be told apart."
            raise Refused(DATA_CLASS_FORBIDDEN, words, field="approvals.fourEyes")
        requested = self._now()
        shown = Shown(
            caller=subject or "",
            sensitivity=case.sensitivity,
            requested=requested,
            expires=requested + self._policy.ttl_seconds,
            messages=[spoken(message) for message in case.request.messages],
            parameters=case.request.forwarded,
        )
        name = new_name()
        seal = Seal.of(name, self._audience)
        content = seal.close(await _packed(shown))
        if len(content) > MOST_APPROVAL_BYTES:
            raise _too_large()
        approval = Approval(seal.id, case.binding(seal), hashed(case.caller.digest), content)
        try:
            await self._state.propose(approval, self._policy.ttl_seconds)
        except OwnerFull:
            words = "As many of your turns wait for approval as may: use or let expire those that you have asked for."
            raise Refused(TOO_MANY_APPROVALS, words) from None
        except StateFull:
            words = "As many turns wait for approval as may; try again."
            raise Refused(STATE_UNAVAILABLE, words, retry_after=60) from None
        record.approval = seal.id
        return required(name, shown.expires)

    async def use(self, case: Case, name: str, record: TurnRecord) -> None:
        """Let an approved turn pass, once. Raises Refused (403), StateAway."""
        seal, approval = await self._find(name, missing=_invalid)
        record.approval = seal.id
        binding = case.binding(seal)
        if approval.binding != binding:
            raise _invalid()
        if approval.verdict is Verdict.PENDING:
            raise Refused(APPROVAL_PENDING, "Nobody has decided on this approval yet.")
        if approval.verdict is Verdict.DENIED:
            raise Refused(APPROVAL_DENIED, "An approver denied this turn.")
        if self._policy.four_eyes and approval.decided_by in _names(case.caller):
            raise _own()
        if not await self._state.consume(seal.id, binding):
            raise _invalid()

    async def show(self, name: str, approver: Caller, record: TurnRecord) -> tuple[Shown, Verdict]:
        """What an approver sees, and how it stands. Raises Refused (403, 404), StateAway.

        `record`: of the action. It learns which approval it is about, and which fields let the approver.
        """
        self._check_approver(approver, record)
        seal, approval = await self._find(name, missing=_unknown)
        shown = await asyncio.to_thread(_opened, seal, approval)
        record.approval, record.sensitivity = seal.id, shown.sensitivity
        return shown, approval.verdict

    async def judge(self, name: str, approver: Caller, record: TurnRecord) -> Judged:
        """An approval that the approver may decide on; nothing is decided yet. `record` as in `show`.

        Raises Refused (403, 404), StateAway.
        """
        self._check_approver(approver, record)
        seal, approval = await self._find(name, missing=_unknown)
        shown = await asyncio.to_thread(_opened, seal, approval)
        record.approval, record.sensitivity = seal.id, shown.sensitivity
        if self._policy.four_eyes:
            if approval.owner in _names(approver):
                raise _own()
            record.decisions.append(decided(self._sources, Stage.CLASS, "Allow", "approvals.fourEyes"))
        return Judged(approval, shown, approver)

    async def decide(self, judged: Judged, verdict: Verdict) -> None:
        """Approve or deny, once. Raises Refused (404, 409), StateAway."""
        stands = await self._state.decide(judged.approval.id, verdict, hashed(judged.by.digest))
        if stands is None:
            raise _unknown()
        if stands.verdict is not verdict or stands.decided_by not in _names(judged.by):
            raise Refused(APPROVAL_DECIDED, "Someone has decided on this approval already.")

    async def forget(self, caller: str) -> bool:
        """Delete every approval that the caller with this digest has asked for; False: the state cannot be reached."""
        try:
            await self._state.discard_approvals(hashed(caller))
        except StateAway:
            return False
        return True

    def _check_approver(self, caller: Caller, record: TurnRecord) -> None:
        subject = membership.subject(caller)
        if subject is None or not self._policy.may_approve(subject, membership.groups(caller)):
            raise Refused(NOT_AN_APPROVER, "The policy does not let you decide on approvals of this agent.")
        record.decisions.append(decided(self._sources, Stage.CLASS, "Allow", "approvals.approvers"))

    async def _find(self, name: str, missing: Callable[[], Refused]) -> tuple[Seal, Approval]:
        if len(name) != NAME_LENGTH or not name.isascii():
            raise missing()
        seal = Seal.of(name, self._audience)
        approval = await self._state.approval(seal.id)
        if approval is None:
            raise missing()
        return seal, approval


def _names(caller: Caller) -> tuple[str, str]:
    """A caller's names in the state: this version's, and that of pods of before, which may share it for a while."""
    return hashed(caller.digest), hashed(caller.identity)


async def _packed(shown: Shown) -> bytes:
    """Compressed, on the event loop only what takes no time. Raises Refused (413)."""
    whole = msgspec.json.encode(shown)
    if len(whole) > _LARGEST_SHOWN:
        raise _too_large()
    return zlib.compress(whole) if len(whole) <= _ON_THE_LOOP else await asyncio.to_thread(zlib.compress, whole)


def _opened(seal: Seal, approval: Approval) -> Shown:
    """Raises Refused (404) for content that was changed."""
    try:
        packed = zlib.decompressobj()
        return msgspec.json.decode(packed.decompress(seal.open(approval.content), _LARGEST_SHOWN), type=Shown)
    except (SealBroken, zlib.error, msgspec.DecodeError):
        raise _unknown() from None


def _too_large() -> Refused:
    words = "Turns of this sensitivity need an approval, and this one is longer than an approver can be shown."
    return Refused(APPROVAL_TOO_LARGE, words, param="messages")


def unavailable() -> Refused:
    return Refused(STATE_UNAVAILABLE, "The state that keeps approvals has no answer; try again.", retry_after=1)


def required(name: str, expires: float) -> Refused:
    moment = moment_of(expires)
    words = (
        "A turn of this sensitivity needs an approval. Hand the id of `approval` to an approver, then repeat the "
        f"identical request with that id as the header X-Regent-Approval, before {moment}."
    )
    return Refused(APPROVAL_REQUIRED, words, details={"approval": {"id": name, "expiresAt": moment}})


def moment_of(unix: float) -> str:
    """RFC 3339, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def _invalid() -> Refused:
    words = "This approval is not for this request: unknown, expired, used, or of another caller, body or policy."
    return Refused(APPROVAL_INVALID, words)


def _own() -> Refused:
    return Refused(OWN_APPROVAL, "The policy wants four eyes: someone else must decide on your turn.")


def _unknown() -> Refused:
    return Refused(NOT_FOUND, "There is no such approval, or no longer.")
