"""What an agent would decide on a turn, and by which field of which policy: the engine behind `regent explain`.

It runs the stages that a turn runs, in the same functions, up to where a turn would first ask a model. Nothing leaves
the process: no provider, no shared state, no audit log; counts and conversations start empty.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from regent_api.config import AgentConfig, ProviderConfig, RouteConfig
from regent_api.route import ProviderLimits
from regent_runtime import turn
from regent_runtime.callers.entry import enter
from regent_runtime.callers.supposed import Suppose, SupposedCallers
from regent_runtime.config import ConfigRefused, Snapshot, snapshot
from regent_runtime.cost.price import band
from regent_runtime.credentials import Credentials
from regent_runtime.decision import Decision, Stage
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.lifecycle import RunningTurn, suspended
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import (
    AGENT_SUSPENDED,
    BODY_TOO_LARGE,
    CONTEXT_TOO_LONG,
    INVALID_SENSITIVITY,
    NO_PROVIDER_ALLOWED,
    NO_RULE_MATCHES,
    TOKEN_INVALID,
    TOO_MUCH_PERSONAL_DATA,
    UNSUPPORTED_FIELD,
    Refused,
)
from regent_runtime.route.choice import EXCLUDE
from regent_runtime.state.source import States
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.request import ChatRequest
from regent_runtime.withheld import Withheld

__all__ = ["Cut", "Decision", "Explanation", "Question", "UnanswerableError", "explain"]

FIELDLESS = {
    AGENT_SUSPENDED: Stage.CALLERS,
    TOKEN_INVALID: Stage.CALLERS,
    INVALID_SENSITIVITY: Stage.LABEL,
    TOO_MUCH_PERSONAL_DATA: Stage.ANONYMIZE,
    NO_RULE_MATCHES: Stage.ROUTE,
    NO_PROVIDER_ALLOWED: Stage.ROUTE,
    UNSUPPORTED_FIELD: Stage.ROUTE,
    CONTEXT_TOO_LONG: Stage.ROUTE,
}
"""Where refusals belong behind which no field of a policy stands."""
NOWHERE = Path("/nonexistent")
LATER = frozenset({Stage.OUTPUT, Stage.AUDIT})
"""Stages that need an answer, or a log."""


@dataclass(frozen=True)
class Question:
    """A turn that is asked about. `caller`: in one of supposed.FORMS; `groups`: those that its token would name."""

    caller: str
    prompt: str
    groups: frozenset[str] = frozenset()
    sensitivity: str | None = None
    """What the caller would declare; None: nothing."""


class UnanswerableError(Exception):
    """A config that no pod would take, or a caller of no known form."""


@dataclass(frozen=True)
class Cut:
    """What the policies left out when the config was made. `route`: as its author wrote it; `fields`: what keeps a
    provider of it out, by its name.
    """

    route: RouteConfig
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Considered:
    """A provider of the route, those that are no part of the config among them."""

    name: str
    model: str
    place: int
    """1 is asked first; 0: it may not see the turn."""
    weight: int
    price: str
    """USD for a million tokens of input and of output in this turn, `2.5/10`; empty where nobody knows."""
    limits: str
    """Of the provider, as the route states them: `60/min 90000 tokens/min 4 at once`; empty where it states none."""
    field: str
    """Of a policy or the route: what keeps it from the turn, or `not in rule NAME`; empty where nothing does."""
    policies: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    refused: bool
    code: str
    """Of the refusal, `withheld` for a guard's; empty: the turn would go on."""
    message: str
    """What the caller would be told."""
    sensitivity: str
    rule: str
    providers: tuple[str, ...]
    """Whom the turn would go to, in order."""
    strategy: str
    """Of the rule; empty where none was reached."""
    considered: tuple[Considered, ...]
    decisions: tuple[Decision, ...]
    """At least one a stage, in the order of a turn; those of shadows among them."""


async def explain(config: AgentConfig, question: Question, cut: Cut | None = None) -> Explanation:
    """`cut`: None where nobody knows of any. Raises UnanswerableError."""
    record = TurnRecord()
    try:
        loaded = _loaded(config, Suppose(question.caller, question.groups))
    except (ConfigRefused, ValueError) as error:
        raise UnanswerableError(str(error)) from None
    turn.introduce(loaded, record)
    refused: Refused | Withheld | None = None
    providers: tuple[str, ...] = ()
    try:
        providers = await _asked(loaded, question, record)
    except (Refused, Withheld) as outcome:
        refused = outcome
        if isinstance(outcome, Refused):
            record.refused(outcome)
            if not outcome.field:
                record.decisions.append(_fieldless(outcome, record))
    finally:
        await loaded.close()
    return _explained(config, record, refused, providers, cut)


async def _asked(loaded: Snapshot, question: Question, record: TurnRecord) -> tuple[str, ...]:
    caller = enter(loaded.callers, None, record)
    if loaded.config.suspended:
        raise suspended()
    async with loaded.limits.admit(caller, record):
        ready = await turn.prepare(loaded, caller, _Prompt(question), _Unanswered(), record)
    return tuple(provider.name for provider in ready.providers)


def _loaded(config: AgentConfig, supposed: Suppose) -> Snapshot:
    credentials = Credentials(NOWHERE)
    alone = config.model_copy(update={"state": config.state.model_copy(update={"redis": None})})
    made = snapshot(msgspec.json.encode(alone.wire()), credentials, States(credentials))
    shadows = {name: _supposing(shadow, credentials, supposed) for name, shadow in made.shadows.items()}
    return replace(_supposing(made, credentials, supposed), shadows=shadows)


def _supposing(made: Snapshot, credentials: Credentials, supposed: Suppose) -> Snapshot:
    return replace(made, callers=SupposedCallers(made.config, credentials, supposed))


def _fieldless(refused: Refused, record: TurnRecord) -> Decision:
    """Behind an approval that is asked for stands the duty that asks for it."""
    stage = FIELDLESS.get(refused.refusal, Stage.CLASS)
    duty = next((each for each in record.decisions if each.stage is Stage.CLASS and not each.shadow), None)
    behind = duty if stage is Stage.CLASS and duty else Decision(stage, "Deny")
    return replace(behind, action="Deny", reason=refused.refusal.code)


def _explained(
    config: AgentConfig,
    record: TurnRecord,
    refused: Refused | Withheld | None,
    providers: tuple[str, ...],
    cut: Cut | None,
) -> Explanation:
    code = refused.refusal.code if isinstance(refused, Refused) else "withheld" if refused else ""
    message = refused.message if isinstance(refused, Refused) else refused.text if refused else ""
    return Explanation(
        refused=refused is not None,
        code=code,
        message=message,
        sensitivity=record.sensitivity,
        rule=record.rule,
        providers=providers,
        strategy=next((rule.strategy.value for rule in config.route.rules if rule.name == record.rule), ""),
        considered=(
            *_considered(config, record, providers),
            *(_left_out(config, record, cut) if cut else ()),
            *_unnamed(cut.route if cut else config.route, record),
        ),
        decisions=tuple(_every_stage(record, providers, refused=refused is not None)),
    )


def _considered(config: AgentConfig, record: TurnRecord, providers: tuple[str, ...]) -> Iterator[Considered]:
    """First those that would be asked, in order."""
    for place, name in enumerate(providers, start=1):
        yield _described(config.route, name, record, place)
    for each in record.decisions:
        if each.action == EXCLUDE and not each.shadow:
            yield _described(config.route, each.reason, record, 0, each.field, each.policies)


def _left_out(config: AgentConfig, record: TurnRecord, cut: Cut) -> Iterator[Considered]:
    """In the order of the rule."""
    rule = next((rule for rule in cut.route.rules if rule.name == record.rule), None)
    for name in rule.providers if rule else ():
        if name in cut.fields:
            field = cut.fields[name]
            yield _described(cut.route, name, record, 0, field, tuple(config.sources.get(field, ())))


def _unnamed(route: RouteConfig, record: TurnRecord) -> Iterator[Considered]:
    """The route's other providers, in its order, where a rule is for the turn."""
    rule = next((rule for rule in route.rules if rule.name == record.rule), None)
    for each in route.providers if rule else ():
        if rule and each.name not in rule.providers:
            yield _described(route, each.name, record, 0, f"not in rule {rule.name}")


def _described(
    route: RouteConfig, name: str, record: TurnRecord, place: int, field: str = "", policies: tuple[str, ...] = ()
) -> Considered:
    provider = next(each for each in route.providers if each.name == name)
    weights = next((rule.weights for rule in route.rules if rule.name == record.rule), {})
    price, limits = _price(provider, record.input_estimate), _limits(provider)
    return Considered(name, provider.model, place, weights.get(name, 1), price, limits, field, policies)


def _limits(provider: ProviderConfig) -> str:
    limits = provider.limits or ProviderLimits()
    stated = (
        (limits.requests_per_minute, "/min"),
        (limits.tokens_per_minute, " tokens/min"),
        (limits.max_concurrent, " at once"),
    )
    return " ".join(f"{most}{unit}" for most, unit in stated if most is not None)


def _price(provider: ProviderConfig, input_tokens: int) -> str:
    if provider.price is None:
        return ""
    rates = band(provider.price, input_tokens)
    return f"{rates.input}/{rates.output}"


def _every_stage(record: TurnRecord, providers: tuple[str, ...], *, refused: bool) -> Iterator[Decision]:
    """What was decided, and a word for each stage that had nothing to decide or was not reached."""
    order = list(Stage)
    ends = [order.index(each.stage) for each in record.decisions if each.action == "Deny" and not each.shadow]
    end = max(ends, default=0) if refused else len(order)
    for at, stage in enumerate(order):
        made = [each for each in record.decisions if each.stage is stage]
        yield from made
        if any(not each.shadow and each.action != EXCLUDE for each in made):
            continue
        if stage in LATER:
            yield Decision(stage, "Later", reason="needs an answer" if stage is Stage.OUTPUT else "needs a log")
        elif at > end:
            yield Decision(stage, "NotReached")
        elif stage is Stage.ROUTE:
            yield Decision(stage, "Allow", reason=f"rule {record.rule}: {', '.join(providers)}")
        else:
            yield Decision(stage, "Allow")


class _Prompt:
    """turn.Incoming of a question."""

    read = staticmethod(parse)

    def __init__(self, question: Question) -> None:
        self.authorization: str | None = None
        self.sensitivity = question.sensitivity
        self.conversation: str | None = None
        self.conversation_end: str | None = None
        self.approval: str | None = None
        self._body = msgspec.json.encode({"messages": [{"role": "user", "content": question.prompt}]})

    async def body(self, most_bytes: int) -> bytes:
        if len(self._body) > most_bytes:
            raise Refused(BODY_TOO_LARGE, f"The body is larger than {most_bytes} bytes.")
        return self._body

    def watched(self, running: RunningTurn) -> AbstractContextManager[None]:
        del running
        return nullcontext()


class _Unanswered:
    """turn.Outlet of a turn that ends before its attempts."""

    def begin(self, request: ChatRequest, record: TurnRecord) -> None: ...

    async def release(self, chunk: Chunk) -> None: ...

    async def finish(self) -> None: ...
