"""Plans, kept while all that they look at stays the same, and what is known to stand of them.

Most looks at an agent follow from its own children and pods, and from our own writes that come back: then the plan is
the one from before, its children stand as they were left, and its status is told. Such a look costs no more than
knowing that.
"""

from collections import OrderedDict
from dataclasses import dataclass

from regent_operator.engine.children import ChildKey
from regent_operator.engine.resources import Key
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.inputs import AgentInputs, Installation
from regent_operator.plan.observation import Observation

MOST_KEPT = 1024
"""A plan is some 10 KiB."""


@dataclass(frozen=True)
class Shape:
    """What of the observed decides, beside the plan, on the bodies of the children."""

    settled: bool
    overdue: bool
    replicas: int


@dataclass(frozen=True)
class Applied:
    """Children that were brought to what a plan wants of them."""

    shape: Shape
    present: tuple[ChildKey, ...]
    absent: tuple[ChildKey, ...]


@dataclass
class Kept:
    plan: AgentPlan
    applied: Applied | None = None
    told: tuple[Observation, int, bytes] | None = None
    """What was seen, and the live status that says so already."""


class Plans:
    """Of the agents that were looked at last."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Kept] = OrderedDict()

    def plan(self, agent: Key, inputs: AgentInputs, installation: Installation) -> AgentPlan:
        """As `plan_agent`; the very same plan for equal inputs."""
        kept = self._kept.get(agent)
        if kept is not None and kept.plan.installation is installation and kept.plan.inputs == inputs:
            self._kept.move_to_end(agent)
            return kept.plan
        made = plan_agent(inputs, installation)
        self._kept[agent] = Kept(made)
        self._kept.move_to_end(agent)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made

    def of(self, agent: Key, plan: AgentPlan) -> Kept | None:
        """What is remembered of exactly this plan."""
        kept = self._kept.get(agent)
        return kept if kept is not None and kept.plan is plan else None

    def forget(self, agent: Key) -> None:
        """The agent is gone."""
        self._kept.pop(agent, None)

    def forget_all(self) -> None:
        """Another replica led meanwhile."""
        self._kept.clear()
