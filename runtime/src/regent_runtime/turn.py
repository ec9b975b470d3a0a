"""The way of one turn, top to bottom. The order is the security argument: nothing is read, weighed or sent before
what stands above it has let the turn pass.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime import shadow
from regent_runtime.access import pictures
from regent_runtime.access.approvals import Case
from regent_runtime.access.personal import PersonalData
from regent_runtime.access.stages import Veil, veil, weigh
from regent_runtime.audit.audit import Audit
from regent_runtime.cache.place import Place, Question
from regent_runtime.callers.caller import Caller
from regent_runtime.callers.entry import enter
from regent_runtime.config import Snapshot
from regent_runtime.conversations import closes
from regent_runtime.guard.screening import Guards
from regent_runtime.lifecycle import Lifecycle, RunningTurn
from regent_runtime.limits import size
from regent_runtime.prompt import fit
from regent_runtime.prompt.summarise import Surroundings
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import TURN_TIMEOUT, Refused
from regent_runtime.route import fallback
from regent_runtime.route.choice import choose, facts
from regent_runtime.shadow import Asked
from regent_runtime.watchdog import Within
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.request import ChatRequest, check_instructing


class Incoming(Protocol):
    """A request whose body has not been read."""

    authorization: str | None
    sensitivity: str | None
    conversation: str | None
    conversation_end: str | None
    approval: str | None

    async def body(self, most_bytes: int) -> bytes:
        """Raises Refused (408, 413, 415, 503) without reading more than it must, CallerGone."""

    def read(self, body: bytes) -> ChatRequest:
        """In the dialect of the caller. Raises Refused (400)."""

    def watched(self, turn: RunningTurn) -> AbstractContextManager[None]:
        """While open: the turn ends as soon as the caller has gone."""


class Outlet(Protocol):
    """The way back to the caller."""

    def begin(self, request: ChatRequest, record: TurnRecord) -> None:
        """Learn how the caller wants to be answered; nothing is sent."""

    async def release(self, chunk: Chunk) -> None:
        """Let the caller have a chunk: the first commits the turn to its provider. An empty one says: still at it."""

    async def finish(self) -> None: ...


async def take(
    lifecycle: Lifecycle,
    audit: Audit,
    incoming: Incoming,
    outlet: Outlet,
    record: TurnRecord,
    call: fallback.Ask = fallback.call,
) -> None:
    """Serve one turn. Raises Refused, Interrupted, CallerGone and, once the outlet has begun, Withheld.

    Until the first release nothing of an answer is sent. `call`: how a provider's answer is got.
    """
    snapshot = lifecycle.admit()
    introduce(snapshot, record)
    caller = enter(snapshot.callers, incoming.authorization, record)
    with lifecycle.run(snapshot) as turn:  # whose slots come back before it counts as ended
        async with (
            snapshot.limits.admit(caller, record),
            snapshot.conversations.attended(caller, record),
            shadow.attended(snapshot, caller, record),
        ):
            ready = await prepare(snapshot, caller, incoming, outlet, record)
            with incoming.watched(turn), TurnTime(snapshot.config, record):
                trail = await audit.begin(snapshot.config, record, ready.veil.request.texts())
                screen = partial(Guards, snapshot, record)
                around = Surroundings(snapshot, ready.providers, record, trail)
                ask = partial(fit.asked, around, ready.veil.request, screen, call)
                review = partial(shadow.review_answer, snapshot, record)
                async with aclosing(snapshot.cache.answer(ready.place, record, ask, screen)) as clean:
                    await trail.follow(clean, ready.veil.lifting(outlet.release), review)
                await snapshot.conversations.close(caller, record)
                await outlet.finish()


def introduce(snapshot: Snapshot, record: TurnRecord) -> None:
    """Write down whose turn it is and under which config."""
    record.config, record.policy = snapshot.digests.config, snapshot.digests.policy
    record.agent = snapshot.config.agent.name
    record.sources = snapshot.config.sources


@dataclass(frozen=True)
class Ready:
    """A request that every stage before the attempts has let pass."""

    providers: Sequence[ProviderConfig]
    """Whom it may go to, in order."""
    veil: Veil
    place: Place | None
    """Where an answer to it is kept; None: nowhere."""


async def prepare(snapshot: Snapshot, caller: Caller, incoming: Incoming, outlet: Outlet, record: TurnRecord) -> Ready:
    """Everything between the limits and the audited intent; `regent explain` asks it too. Raises Refused, Withheld."""
    body = await incoming.body(snapshot.config.policy.size.max_request_bytes)
    request = incoming.read(body)
    check_instructing(request, snapshot.config)
    pictures.check_allowed(request, snapshot.config)
    outlet.begin(request, record)
    record.input_estimate = size.check_input(request, snapshot.config)
    record.closes = closes(incoming.conversation_end)
    conversation = await snapshot.conversations.open(incoming.conversation, caller, record)
    request = await snapshot.input_guard.screen(request, record)
    personal = PersonalData(request)
    treatment = await weigh(snapshot.config, incoming.sensitivity, conversation, personal, record)
    await snapshot.conversations.keep(conversation, treatment.own, treatment.retention_seconds, record)
    treatment.check()
    pictures.check_class(request, treatment)
    known = facts(request, caller, record)
    providers = choose(snapshot.config, snapshot.barriers, request, known, treatment, record, snapshot.standings)
    if snapshot.shadows:
        asked = Asked(
            caller=caller,
            authorization=incoming.authorization,
            body_bytes=len(body),
            request=request,
            facts=known,
            personal=personal,
            declared=incoming.sensitivity,
            conversation=conversation,
            treatment=treatment,
            providers=providers,
        )
        await shadow.review_request(snapshot, asked, record)
    veiled = await veil(snapshot.config, treatment, request, personal, caller, conversation, record)
    if treatment.needs_approval:
        case = Case(caller, body, snapshot.digests.policy, treatment.sensitivity, veiled.request)
        await snapshot.approvals.check(case, incoming.approval, record)
    fit.announce(snapshot.config, veiled.request, providers, record)
    question = Question(caller, treatment, record.rule, providers, veiled.request, anonymised=veiled.changed)
    return Ready(providers, veiled, snapshot.cache.look(question, record))


class TurnTime(Within):
    """The whole turn within the policy's and the route's bounds; the record learns of its end. Raises Refused (504)."""

    def __init__(self, config: AgentConfig, record: TurnRecord) -> None:
        seconds = config.turn_seconds
        super().__init__(seconds)
        record.ends = time.monotonic() + seconds

    def over(self) -> Exception:
        return Refused(TURN_TIMEOUT, f"The turn took longer than {self.seconds:g} s.")
