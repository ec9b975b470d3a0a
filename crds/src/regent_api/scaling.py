"""How many pods serve an agent: a number, or bounds and what is measured between them."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from regent_api.model import ATOMIC, Cel, Model

REPLICAS_DEFAULT = 1
FEWEST_DEFAULT = 3
MOST_DEFAULT = 20
CONVERSATIONS_DEFAULT = 10
CPU_DEFAULT = 70
UP_DEFAULT: dict[str, Any] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 4, "periodSeconds": 15},
    ],
}
DOWN_DEFAULT: dict[str, Any] = {
    "stabilizationWindowSeconds": 300,
    "selectPolicy": "Max",
    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
}
AUTO_DEFAULTS = {
    "minReplicas": str(FEWEST_DEFAULT),
    "maxReplicas": str(MOST_DEFAULT),
    "targets": f"activeConversations {CONVERSATIONS_DEFAULT}, cpuUtilization {CPU_DEFAULT}",
    "behavior.scaleUp": "at once, by as many pods as there are or by 4, within 15 seconds",
    "behavior.scaleDown": "after 300 seconds, by 1 pod within 60 seconds",
}

Replicas = Annotated[int, Field(ge=1, le=1000)]


class StepType(StrEnum):
    PODS = "Pods"
    PERCENT = "Percent"


class StepChoice(StrEnum):
    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class Step(Model):
    """autoscaling/v2 HPAScalingPolicy: at most this change within that time."""

    type: Annotated[StepType, Field(description="Whether `value` counts pods or percent of them.")]
    value: Annotated[int, Field(ge=1, le=1000, description="Most pods, or percent of pods, of the change.")]
    period_seconds: Annotated[int, Field(ge=1, le=1800, description="Within this many seconds.")]


class Pace(Model):
    """autoscaling/v2 HPAScalingRules, for one direction."""

    stabilization_window_seconds: Annotated[
        int | None, Field(ge=0, le=3600, description="How long the more careful of past answers holds, in seconds.")
    ] = None
    select_policy: Annotated[
        StepChoice | None, Field(description="Of several steps the largest (Max), the smallest, or no change at all.")
    ] = None
    policies: Annotated[
        list[Step] | None, ATOMIC, Field(min_length=1, max_length=8, description="The steps that may be taken.")
    ] = None


class Behavior(Model):
    """autoscaling/v2 behavior. What is not stated is as in docs/reference/defaults.md."""

    scale_up: Annotated[Pace | None, Field(description="At once and as fast as doubling when absent.")] = None
    scale_down: Annotated[Pace | None, Field(description="One pod a minute, after five minutes, when absent.")] = None


class Targets(Model):
    """What there should be for each pod, on average. The one that asks for most pods decides."""

    cel_rules = (
        Cel(
            "has(self.activeConversations) || has(self.cpuUtilization)",
            "set activeConversations, cpuUtilization or both; leave targets out for the defaults",
        ),
    )
    active_conversations: Annotated[
        int | None, Field(ge=1, le=100_000, description="Active conversations for each pod.")
    ] = None
    cpu_utilization: Annotated[
        int | None, Field(ge=1, le=1000, description="CPU in percent of what pods request; needs a metrics server.")
    ] = None


class Auto(Model):
    """A HorizontalPodAutoscaler between two bounds; none where both are the same."""

    cel_rules = (
        Cel(
            f"(has(self.minReplicas) ? self.minReplicas : {FEWEST_DEFAULT})"
            f" <= (has(self.maxReplicas) ? self.maxReplicas : {MOST_DEFAULT})",
            f"must not be larger than maxReplicas (when absent, minReplicas is {FEWEST_DEFAULT} and maxReplicas"
            f" {MOST_DEFAULT})",
            ".minReplicas",
        ),
    )
    min_replicas: Annotated[Replicas | None, Field(description="Fewest pods.")] = None
    max_replicas: Annotated[Replicas | None, Field(description="Most pods.")] = None
    targets: Annotated[Targets | None, Field(description="What is measured; stated, it is the only thing that is.")] = (
        None
    )
    behavior: Annotated[Behavior | None, Field(description="How fast it goes up and down.")] = None

    @property
    def fewest(self) -> int:
        return self.min_replicas or FEWEST_DEFAULT

    @property
    def most(self) -> int:
        return self.max_replicas or MOST_DEFAULT


class Scaling(Model):
    cel_rules = (
        Cel("!(has(self.replicas) && has(self.auto))", "set replicas for a fixed number, or auto, and not both"),
    )
    replicas: Annotated[Replicas | None, Field(description="How many pods serve the agent, always.")] = None
    auto: Annotated[Auto | None, Field(description="As many pods as are needed, within bounds.")] = None

    @property
    def fewest(self) -> int:
        return self.auto.fewest if self.auto else self.replicas or REPLICAS_DEFAULT

    @property
    def most(self) -> int:
        return self.auto.most if self.auto else self.replicas or REPLICAS_DEFAULT
