"""What the status of a policy, and of a route, says."""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import ListType, Model
from regent_api.policy.mode import PolicyMode
from regent_api.status import Condition


class UsedByAgents(Model):
    """Status of the kinds that agents use: AgentPolicy and ModelRoute."""

    observed_generation: Annotated[
        int | None, Field(ge=0, description="metadata.generation that this status was computed from.")
    ] = None
    conditions: Annotated[
        list[Condition], ListType("map", ("type",)), Field(max_length=16, description="docs/reference/conditions.md.")
    ] = []
    digest: Annotated[
        Annotated[str, StringConstraints(max_length=71)] | None, Field(description="Digest of the spec's meaning.")
    ] = None
    agents: Annotated[int | None, Field(ge=0, description="Agents that use this object.")] = None
    enforced: Annotated[
        Annotated[str, StringConstraints(max_length=32)] | None,
        Field(description="Pods of those agents that echo a config made with this digest, of those that can serve."),
    ] = None


class AgentPolicyStatus(UsedByAgents):
    mode: Annotated[PolicyMode | None, Field(description="Whether the policy is in force or casts a shadow.")] = None
