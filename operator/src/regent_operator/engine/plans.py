"""Plans, kept while all that they look at stays the same, and what is known to stand of them.

Most looks at an agent follow from its own children and pods, and from our own writes that come back: then the plan is
the one from before, its children stand as they were left, and its status is told. Such a look costs no more than
knowing that. One is kept for each agent: of an edit of the floor the second look comes when all configs are written.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from regent_operator.engine.children import Kinds
from regent_operator.engine.packed import PackedStatus
from regent_operator.engine.resources import Key
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.inputs import AgentInputs, Installation
from regent_operator.plan.observation import Observation

MOST_ALIKE = 256


@dataclass(frozen=True, slots=True)
class Shape:
    """What of the observed decides, beside the plan, on the bodies of the children."""

    closed: bool
    """Every pod that serves holds the config, or has had its time to: walls are as this config wants them."""
    replicas: int


@dataclass(frozen=True, slots=True)
class Applied:
    """Children that were brought to what a plan wants of them, by their kinds."""

    shape: Shape
    lasting: bool
    """Whether nothing is to be closed when every pod holds the config."""
    present: Kinds
    absent: Kinds

    def suits(self, shape: Shape) -> bool:
        """Whether the plan wants just these children in the given circumstances, too."""
        return shape == self.shape or (self.lasting and shape == replace(self.shape, closed=True))


applied = lru_cache(maxsize=MOST_ALIKE)(Applied)
"""The very same for equal ones, which those of most agents are."""


@dataclass(slots=True)
class Kept:
    plan: AgentPlan
    applied: Applied | None = None
    told: tuple[Observation, int, PackedStatus] | None = None
    """What was seen, and the live status that says so already."""


class Plans:
    """Bounded by the number of agents."""

    def __init__(self) -> None:
        self._kept: dict[Key, Kept] = {}

    def plan(self, agent: Key, inputs: AgentInputs, installation: Installation) -> AgentPlan:
        """As `plan_agent`; the very same plan for equal inputs."""
        kept = self._kept.get(agent)
        if kept is not None and kept.plan.installation is installation and kept.plan.inputs == inputs:
            return kept.plan
        made = plan_agent(inputs, installation)
        self._kept[agent] = Kept(made)
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
