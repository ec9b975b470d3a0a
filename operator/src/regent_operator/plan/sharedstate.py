"""Whether what an agent's pods share is enough for what its policies ask.

A pod's own state is seen by no other pod. Limits would be let pass once a pod, and an approval that one pod knows is
unknown at the next, so several pods need a Redis for them.
"""

from collections.abc import Iterator

from regent_api.config import RouteConfig
from regent_api.effective import Duty, EffectivePolicy
from regent_api.objects import AIAgent
from regent_api.status import ConditionType, Reason
from regent_api.types import Sensitivity
from regent_operator.plan.hosts import host_of
from regent_operator.plan.inputs import Installation
from regent_operator.plan.lattice import Opinions
from regent_operator.plan.policy import InForce
from regent_operator.plan.references import Problem
from regent_operator.plan.state import is_inside


def state_problems(
    agent: AIAgent, rules: InForce, route: RouteConfig, installation: Installation
) -> tuple[Problem, ...]:
    """Why the state is not enough, or may not be used. `route`: as cut by the policies."""
    redis = agent.spec.state.redis if agent.spec.state else None
    if redis is None:
        return tuple(_alone(agent, rules, route))
    return tuple(_refused(redis.url, rules, installation))


def _alone(agent: AIAgent, rules: InForce, route: RouteConfig) -> Iterator[Problem]:
    for field in (each for each in DURABLE if each in rules.opinions):
        named = ", ".join(sorted(rules.opinions[field].sources))
        yield _problem(f"{field} of {named}: money is counted in a state that outlives pods. Set spec.state.redis.")
    asking = dict(_asking(rules.policy, rules.opinions))
    limited = sorted(provider.name for provider in route.providers if provider.limits)
    if limited:
        asking["providers.limits"] = [f"{name} in ModelRoute {route.name}" for name in limited]
    if agent.spec.most_replicas > 1 and asking:
        named = "; ".join(f"{field} of {', '.join(policies)}" for field, policies in asking.items())
        yield _problem(
            f"{named}: {agent.spec.most_replicas} pods can only keep to this with a state that all of them share. "
            "Set spec.state.redis, or spec.scaling.replicas: 1."
        )


DURABLE = ("budget.perDayUsd", "budget.perMonthUsd")
"""What a pod that is replaced must not forget."""


def _asking(policy: EffectivePolicy, opinions: Opinions) -> Iterator[tuple[str, list[str]]]:
    """The fields that need what all pods see, and the policies behind them."""
    if policy.limits:
        yield "limits", sorted({limit.policy for limit in policy.limits})
    if policy.budget.per_conversation_usd is not None:
        yield "budget.perConversationUsd", sorted(opinions["budget.perConversationUsd"].sources)
    for label in Sensitivity:
        if Duty.APPROVE in policy.data.classes.of(label).ai_processing:
            field = f"data.classes.{label}.aiProcessing"
            yield field, sorted(opinions[field].sources)


def _refused(url: str, rules: InForce, installation: Installation) -> Iterator[Problem]:
    host = host_of(url)
    if not rules.policy.egress.admits_host(host):
        named = ", ".join(sorted(rules.opinions["egress.hosts"].sources))
        yield _problem(
            f"spec.state.redis.url: egress.hosts of {named} does not let {host}. Let it, or use another host."
        )
    if not url.startswith("rediss://") and not is_inside(host, installation):
        words = (
            f"spec.state.redis.url: {host} is no Service of the cluster (NAME.NAMESPACE.svc); write rediss:// for TLS."
        )
        yield Problem(ConditionType.ACCEPTED, Reason.INVALID, words)


def _problem(words: str) -> Problem:
    return Problem(ConditionType.ACCEPTED, Reason.SHARED_STATE_REQUIRED, words)
