"""What of an agent is applied while a new program waits for its wave: an edit, with the program that is live.

So no edit waits, none starts pods of a version past its wave, and none replaces pods that it does not ask to replace.
"""

from typing import Any

from regent_api.agent import AIAgentStatus
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.gather import Gatherer
from regent_operator.engine.resources import DEPLOYMENTS, Key
from regent_operator.engine.waves import Waves
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.deployment import with_live_program
from regent_operator.plan.observation import DeploymentSeen

Object = dict[str, Any]


class HeldBack:
    def __init__(self, children: Children, gatherer: Gatherer, waves: Waves) -> None:
        self._children = children
        self._gatherer = gatherer
        self._waves = waves
        self._edited: set[Key] = set()
        """Whose edit has not reached the Deployment yet, as far as it is known: its write may fail."""

    async def bodies(
        self, key: Key, plan: AgentPlan, bodies: tuple[Object, ...], before: AIAgentStatus | None
    ) -> tuple[Object, ...]:
        """The very same, or those of an agent that is held back: without the Deployment where nobody has edited it."""
        deployment = next((body for body in bodies if body["kind"] == DEPLOYMENTS.kind), None)
        child, meta = self._children.get(ChildKey(DEPLOYMENTS.kind, key.namespace, key.name)), plan.agent.metadata
        if deployment is None or child is None or child.owner != meta.uid or self._waves.may_roll(key, deployment):
            return bodies
        seen = self._children.deployment(key.namespace, key.name)
        stale = before is None or before.observed_generation != meta.generation
        if stale or _differs(plan, deployment["spec"].get("replicas"), seen):
            self._edited.add(key)
        live = await self._gatherer.live_deployment(plan.agent) if key in self._edited else None
        if live is None:
            return tuple(body for body in bodies if body is not deployment)
        return tuple(with_live_program(body, live) if body is deployment else body for body in bodies)

    def applied(self, key: Key, bodies: tuple[Object, ...]) -> None:
        """All of these stand now."""
        if any(body["kind"] == DEPLOYMENTS.kind for body in bodies):
            self._edited.discard(key)

    def stands(self, key: Key, plan: AgentPlan, replicas: int) -> bool:
        """Whether the agent is held back still, and nothing has happened to its Deployment that must not wait."""
        seen = self._children.deployment(key.namespace, key.name)
        return self._waves.holds_back(key) and key not in self._edited and not _differs(plan, replicas, seen)

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self._edited.discard(key)

    def forget_all(self) -> None:
        """Another replica led meanwhile."""
        self._edited.clear()


def _differs(plan: AgentPlan, replicas: int | None, seen: DeploymentSeen | None) -> bool:
    """Whether other replicas (None: an autoscaler's) or credentials are live than the agent and its route say."""
    return seen is not None and (replicas not in {None, seen.replicas} or seen.credentials != plan.credentials)
