"""Whom a turn may go to: the rule for it, who of the rule may see it, in which order."""

import time
from collections.abc import Mapping, Sequence

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.turncondition import TurnFacts
from regent_runtime.access.classes import Treatment
from regent_runtime.access.membership import groups
from regent_runtime.callers import Caller
from regent_runtime.decision import Stage, decided
from regent_runtime.prompt import weight
from regent_runtime.record import TurnRecord
from regent_runtime.route.candidates import Barriers, Verdict, abilities, able, candidates, rule_for
from regent_runtime.route.latency import Measured
from regent_runtime.route.strategy import in_order
from regent_runtime.wire.request import ChatRequest

EXCLUDE = "Exclude"
"""The action of a decision that keeps a provider, its `reason`, from a turn."""


def facts(request: ChatRequest, caller: Caller, record: TurnRecord) -> TurnFacts:
    """What rules may ask about the turn, at the second in which it began."""
    began = time.gmtime(record.created)
    return TurnFacts(
        caller_kind=caller.kind.value,
        caller_groups=sorted(groups(caller)),
        input_tokens=record.input_estimate,
        stream=request.stream,
        hour=began.tm_hour,
        weekday=began.tm_wday + 1,
    )


def choose(
    config: AgentConfig,
    barriers: Barriers,
    request: ChatRequest,
    asked: TurnFacts,
    treatment: Treatment,
    record: TurnRecord,
    known: Mapping[str, Measured],
) -> Sequence[ProviderConfig]:
    """In the order in which they are asked; why others are not is written down. Raises Refused (400, 403, 422).

    `barriers`: of the config.
    """
    rule = rule_for(config, treatment.sensitivity, asked)
    record.route, record.rule = config.route.name, rule.name
    judged = barriers.verdicts(rule, treatment.sensitivity, local_only=treatment.local_only)
    _note(config, judged, record)
    least = weight.at_least(request, config, asked.input_tokens)
    told = abilities(config, request, candidates(treatment.sensitivity, judged), least)
    _note(config, told, record)
    return in_order(config, rule, able(told), request, record, known)


def _note(config: AgentConfig, judged: Sequence[Verdict], record: TurnRecord) -> None:
    for verdict in judged:
        if verdict.field:
            record.decisions.append(decided(config.sources, Stage.ROUTE, EXCLUDE, verdict.field, verdict.provider.name))
