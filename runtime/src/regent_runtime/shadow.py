"""What policies in mode Audit would have decided on the same turn.

A shadow runs the same stages on the same turn under a config of its own: the policies in force and it. What it would
have refused is written into the turn's record and counted; it never blocks, parks or rewrites, and a fault in one is
its own. A turn that the policies in force refuse is not shown to shadows: they would refuse it as well.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable

from regent_api.config import ProviderConfig
from regent_api.turncondition import TurnFacts
from regent_runtime.access import pictures
from regent_runtime.access.classes import Treatment
from regent_runtime.access.personal import PersonalData
from regent_runtime.access.stages import weigh
from regent_runtime.callers import Caller
from regent_runtime.callers.identify import FIELDS
from regent_runtime.config import Snapshot
from regent_runtime.conversations import Opened
from regent_runtime.decision import Decision, Stage
from regent_runtime.limits import size
from regent_runtime.limits.rates import UNBOUNDED, Limits
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.route.candidates import candidates, rule_for, verdicts
from regent_runtime.route.choice import EXCLUDE
from regent_runtime.wire.request import ChatRequest, check_instructing
from regent_runtime.withheld import Withheld


@dataclass(frozen=True)
class Asked:
    """A request that the policies in force let pass."""

    caller: Caller
    authorization: str | None
    body_bytes: int
    request: ChatRequest
    facts: TurnFacts
    """What rules of the route may ask about it."""
    personal: PersonalData
    declared: str | None
    """X-Regent-Sensitivity."""
    conversation: Opened
    """What the conversation bore before."""
    treatment: Treatment
    """What the class of its label asks for."""
    providers: Sequence[ProviderConfig]
    """Whom the turn may go to."""


async def review_request(snapshot: Snapshot, asked: Asked, record: TurnRecord) -> None:
    """Let every shadow decide on the request."""
    for name, shadow in snapshot.shadows.items():
        trial = _Trial(name, record)
        config = shadow.config
        await trial.decide(Stage.CALLERS, partial(_enter, shadow, asked))
        await trial.decide(Stage.LIMITS, partial(shadow.limits.count, asked.caller, record))
        await trial.decide(Stage.SIZE, partial(size.check_bytes, asked.body_bytes, config))
        await trial.decide(Stage.CALLERS, partial(check_instructing, asked.request, config))
        await trial.decide(Stage.INPUT, partial(pictures.check_allowed, asked.request, config))
        await trial.decide(Stage.SIZE, partial(size.check_input, asked.request, config))
        await trial.decide(Stage.ROUTE, partial(trial.route, shadow, asked))


def attended(snapshot: Snapshot, caller: Caller, record: TurnRecord) -> AbstractAsyncContextManager[None]:
    """While open, the turn may count as running for the shadows that try how many do."""
    counting = [shadow.limits for shadow in snapshot.shadows.values() if shadow.limits.tries_slots]
    return _attended(counting, caller, record) if counting else UNBOUNDED


@asynccontextmanager
async def _attended(counting: Sequence[Limits], caller: Caller, record: TurnRecord) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for limits in counting:
            await limits.leave(caller, record)


def review_answer(snapshot: Snapshot, record: TurnRecord) -> None:
    """Let every shadow decide on what the turn took."""
    for name, shadow in snapshot.shadows.items():
        bounds = shadow.config.policy.size
        if record.seconds > bounds.turn_timeout_seconds:
            record.decisions.append(Decision(Stage.SIZE, "Deny", "size.turnTimeout", (name,), "turn_timeout", name))
        if record.usage and record.usage.completion_tokens > bounds.max_output_tokens:
            record.decisions.append(Decision(Stage.SIZE, "Clamp", "size.maxOutputTokens", (name,), "", name))


def _enter(shadow: Snapshot, asked: Asked) -> None:
    """Raises Refused: a shadow may know callers of this kind by other issuers, audiences or keys."""
    try:
        shadow.callers.admit(shadow.callers.identify(asked.authorization))
    except Refused as refused:
        raise Refused(refused.refusal, refused.message, field=FIELDS[asked.caller.kind]) from None


class _Trial:
    """One shadow, deciding on one turn."""

    def __init__(self, name: str, record: TurnRecord) -> None:
        self._name = name
        self._record = record

    async def decide(self, stage: Stage, check: Callable[[], Awaitable[object] | object]) -> None:
        try:
            checked = check()
            if isawaitable(checked):
                await checked
        except Refused as refused:
            self._tell(stage, "Deny", refused.field, refused.refusal.code)
        except Withheld:
            self._tell(stage, "Deny", "", "withheld")
        except Exception as fault:  # noqa: BLE001 - a trial must not harm the turn that it watches
            self._tell(stage, "Fault", "", type(fault).__name__)

    async def route(self, shadow: Snapshot, asked: Asked) -> None:
        """Tell what the shadow would have asked for first, and which providers it would not have let the turn go to.

        Raises Refused when it lets none.
        """
        treatment = await weigh(shadow.config, asked.declared, asked.conversation, asked.personal, TurnRecord())
        treatment.check()
        pictures.check_class(asked.request, treatment)
        path = f"data.classes.{treatment.sensitivity}"
        if treatment.needs_approval and not asked.treatment.needs_approval:
            self._tell(Stage.CLASS, "Approve", f"{path}.aiProcessing", treatment.sensitivity)
        if treatment.anonymize and not asked.treatment.anonymize:
            self._tell(Stage.ANONYMIZE, "Anonymize", f"{path}.anonymize", treatment.sensitivity)
        rule = rule_for(shadow.config, treatment.sensitivity, asked.facts)
        judged = verdicts(shadow.config, rule, treatment.sensitivity, local_only=treatment.local_only)
        kept = candidates(treatment.sensitivity, judged)
        for provider in asked.providers:
            if provider not in kept:
                self._tell(Stage.ROUTE, EXCLUDE, "", provider.name)

    def _tell(self, stage: Stage, action: str, field: str, reason: str) -> None:
        self._record.decisions.append(Decision(stage, action, field, (self._name,), reason, self._name))
