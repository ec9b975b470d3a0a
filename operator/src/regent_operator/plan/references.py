"""Whether what an agent refers to is there and valid; and words for what is not."""

from collections.abc import Iterator
from dataclasses import dataclass

from regent_api.objects import Invalid
from regent_api.status import ConditionType, Reason
from regent_operator.plan.declared import Declared, declared
from regent_operator.plan.inputs import AgentInputs
from regent_operator.plan.policy import Applying

MOST_INSTRUCTIONS = 65_536
"""Characters; as for inline ones."""


@dataclass(frozen=True)
class Problem:
    """Why the declarations cannot all be honoured. `type` is Accepted or ResolvedRefs."""

    type: ConditionType
    reason: Reason
    message: str


@dataclass(frozen=True)
class References:
    problems: tuple[Problem, ...]
    instructions: str
    """Empty where a problem says why."""
    route: Declared | None
    """None where a problem says why."""


def resolve(inputs: AgentInputs, applying: Applying, cluster_domain: str) -> References:
    route = _route(inputs, cluster_domain)
    instructions = _instructions(inputs)
    problems = [*_policies(applying)]
    if isinstance(route, Problem):
        problems.append(route)
    if isinstance(instructions, Problem):
        problems.append(instructions)
    return References(
        problems=tuple(problems),
        instructions="" if isinstance(instructions, Problem) else instructions,
        route=None if isinstance(route, Problem) else route,
    )


def unresolved(reason: Reason, message: str) -> Problem:
    return Problem(ConditionType.RESOLVED_REFS, reason, message)


def _policies(applying: Applying) -> Iterator[Problem]:
    for key in applying.missing:
        yield unresolved(
            Reason.POLICY_MISSING,
            f"spec.policyRefs names AgentPolicy {key}, which does not exist; create it, or remove it from policyRefs.",
        )
    for key, error in applying.invalid:
        yield unresolved(
            Reason.POLICY_INVALID,
            f"AgentPolicy {key} applies or might apply, and is invalid: {error}. Correct or delete that policy.",
        )


def _route(inputs: AgentInputs, cluster_domain: str) -> Declared | Problem:
    key = f"{inputs.agent.metadata.namespace}/{inputs.agent.spec.model_route_ref.name}"
    route = inputs.route
    if route is None:
        return unresolved(
            Reason.ROUTE_MISSING,
            f"spec.modelRouteRef names ModelRoute {key}, which does not exist; create it, or name another.",
        )
    if isinstance(route, Invalid):
        return _invalid(key, route.error)
    found = declared(route, cluster_domain)
    return found if found.rejection is None else _invalid(key, found.rejection.words)


def _invalid(route: str, error: str) -> Problem:
    return unresolved(Reason.ROUTE_INVALID, f"ModelRoute {route} is invalid: {error}. Correct that route.")


def _instructions(inputs: AgentInputs) -> str | Problem:
    reference = inputs.agent.spec.instructions.config_map_key_ref
    if not inputs.instructions:
        where = f"key {reference.key} of ConfigMap {reference.name}" if reference else "spec.instructions"
        return unresolved(Reason.INSTRUCTIONS_MISSING, f"{where} does not exist or is empty; write the instructions.")
    if len(inputs.instructions) > MOST_INSTRUCTIONS:
        return Problem(
            ConditionType.ACCEPTED,
            Reason.INVALID,
            f"The instructions have {len(inputs.instructions)} characters; shorten them to {MOST_INSTRUCTIONS}.",
        )
    return inputs.instructions
