"""The children of an agent, in the order in which they are applied.

The NetworkPolicy goes before the ConfigMap (opened before), the Deployment after all that its pods need: none starts
without its config, its Service and the walls around it. What is absent goes before the Deployment, so that an
autoscaler is gone before its field is ours again.
"""

from dataclasses import dataclass
from typing import Any, Literal

from regent_api.status import Reason
from regent_operator.plan import (
    autoscaler,
    configmap,
    deployment,
    disruptionbudget,
    networkpolicy,
    scaledobject,
    service,
    serviceaccount,
)
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.observation import Observation, PodSeen

Part = Literal["config", "policy", "route"]
"""Of what a pod holds, each with a digest of its own."""


@dataclass(frozen=True)
class ChildKind:
    api_version: str
    kind: str


SCALERS = (ChildKind("autoscaling/v2", "HorizontalPodAutoscaler"), ChildKind("keda.sh/v1alpha1", "ScaledObject"))
"""One of them at the most: a ScaledObject makes an autoscaler of its own."""


@dataclass(frozen=True)
class Children:
    apply: tuple[dict[str, Any], ...]
    """In apply order, as SSA bodies. Without `metadata.uid`: the engine adds it."""
    absent: tuple[ChildKind, ...]
    """Children (of the agent's name) that must not exist: delete them, if they are ours, before the Deployment."""
    replicas: int = 0
    """How many pods there should be now; where the Deployment leaves it to an autoscaler, what that begins with."""
    lasting: bool = True
    """Whether the NetworkPolicy stays as it is when every pod holds the config."""


def children(plan: AgentPlan, seen: Observation, seal: str | None) -> Children:
    """What to apply now. Nothing while there is no config that could be run safely: what exists stays as it is.

    `seal`: of `plan.config_text`, made by whoever holds the key; None where there is no config.
    """
    if seal is None or plan.config is None or plan.config_text is None or plan.agent.metadata.deleting:
        return Children((), ())
    agent, count = plan.agent, replicas(plan, seen)
    budget = disruptionbudget.build(agent)
    scaler = _scaler(plan) if autoscaled(plan) else None
    walls, lasting = _network_policy(plan, seen)
    made = (
        serviceaccount.build(agent),
        walls,
        configmap.build(agent, plan.config_text, seal),
        service.build(agent),
        budget,
        deployment.build(agent, plan.installation, plan.credentials, None if scaler else count),
        scaler,
    )
    absent = () if budget else (ChildKind("policy/v1", "PodDisruptionBudget"),)
    others = tuple(each for each in SCALERS if scaler is None or each.kind != scaler["kind"])
    return Children(tuple(body for body in made if body is not None), (*absent, *others), count, lasting)


def autoscaled(plan: AgentPlan) -> bool:
    """Whether an autoscaler says how many pods there are. Not while they lack a state to share, nor while suspended."""
    return autoscaler.build(plan.agent) is not None and not plan.agent.spec.suspend and not lacks_state(plan)


def _scaler(plan: AgentPlan) -> dict[str, Any] | None:
    url = plan.installation.keda_url
    return autoscaler.build(plan.agent) if url is None else scaledobject.build(plan.agent, url)


def lacks_state(plan: AgentPlan) -> bool:
    return any(problem.reason is Reason.SHARED_STATE_REQUIRED for problem in plan.problems)


def settled(plan: AgentPlan, seen: Observation) -> bool:
    """Whether every pod that can serve echoes the plan's config digest (true where no pod can serve)."""
    return all(echoes(plan, pod) for pod in seen.pods if pod.can_serve)


def echoes(plan: AgentPlan, pod: PodSeen, part: Part = "config") -> bool:
    """Whether the pod computed the plan's digest over what it uses for new turns: the whole config, or a part of it."""
    digests = pod.echo.digests if pod.echo else None
    return digests is not None and plan.digests is not None and getattr(digests, part) == getattr(plan.digests, part)


def replicas(plan: AgentPlan, seen: Observation) -> int:
    """How many pods there should be now. A suspended agent keeps its pods until each of them refuses new turns."""
    if not plan.agent.spec.suspend:
        return _wanted(plan, seen)
    return 0 if _refuses_everywhere(plan, seen) else seen.deployment.replicas if seen.deployment else 0


def _wanted(plan: AgentPlan, seen: Observation) -> int:
    """No more pods than there are while they lack a state to share: each more would let through what limits hold.

    Of an autoscaled agent as many as there are; an autoscaler never begins with none.
    """
    spec, live = plan.agent.spec, seen.deployment.replicas if seen.deployment else None
    if lacks_state(plan) and live is not None:
        return min(spec.most_replicas, live)
    if autoscaled(plan) and live:
        return live
    return spec.fewest_replicas


def _refuses_everywhere(plan: AgentPlan, seen: Observation) -> bool:
    """A pod that cannot read the config will never say that it is suspended, so it is not waited for."""
    serving = (pod for pod in seen.pods if pod.can_serve)
    return seen.overdue or all(
        pod.echo is not None and (pod.echo.config_error is not None or (pod.echo.suspended and echoes(plan, pod)))
        for pod in serving
    )


def _network_policy(plan: AgentPlan, seen: Observation) -> tuple[dict[str, Any], bool]:
    """Opened before, closed after: until every pod holds the config, what we let through before stays so.

    And whether there is nothing to close then.
    """
    assert plan.config is not None  # noqa: S101  # `children` has looked
    made = networkpolicy.build(plan.agent, plan.config, plan.inputs.services, plan.installation)
    if seen.let_through is None or seen.overdue or settled(plan, seen):
        return made, True
    opened = networkpolicy.union(seen.let_through, made["spec"])
    return {**made, "spec": opened}, opened == made["spec"]
