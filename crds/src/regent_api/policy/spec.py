"""The spec of an AgentPolicy: its groups of fields."""

from typing import Annotated

from pydantic import Field

from regent_api.model import ATOMIC, Meet, MeetKind, Model
from regent_api.policy.approvals import Approvals
from regent_api.policy.audit import Audit
from regent_api.policy.budget import Budget
from regent_api.policy.cache import Cache
from regent_api.policy.callers import Callers
from regent_api.policy.data import Data
from regent_api.policy.egress import Egress
from regent_api.policy.guardrails import Guardrails
from regent_api.policy.limits import Limit, StateError
from regent_api.policy.mode import MOST_SHADOWS, PolicyMode
from regent_api.policy.models import Models
from regent_api.policy.selector import Selector
from regent_api.policy.size import Size


class AgentPolicySpec(Model):
    mode: Annotated[
        PolicyMode | None,
        Field(
            description="Audit: decide beside the policies in force, record what differs, and change nothing. An agent "
            f"tries {MOST_SHADOWS} such policies, the first by namespace and name."
        ),
    ] = None
    selector: Annotated[
        Selector | None, Field(description="Agents that the policy applies to; absent: only those that name it.")
    ] = None
    callers: Annotated[Callers | None, Field(description="Who may talk to the agents.")] = None
    size: Annotated[Size | None, Field(description="How large a turn may be.")] = None
    limits: Annotated[
        list[Limit] | None,
        ATOMIC,
        Meet(MeetKind.COLLECTION, "none"),
        Field(min_length=1, max_length=8, description="How often agents may be called; every limit holds."),
    ] = None
    budget: Annotated[Budget | None, Field(description="What agents may spend on models.")] = None
    cache: Annotated[Cache | None, Field(description="Which answers are kept, to be given again.")] = None
    models: Annotated[Models | None, Field(description="Which models, and which count as local.")] = None
    guardrails: Annotated[Guardrails | None, Field(description="What is looked for in input and output.")] = None
    data: Annotated[Data | None, Field(description="How sensitive data are, and what may be done with them.")] = None
    approvals: Annotated[Approvals | None, Field(description="Who approves turns whose class asks for it.")] = None
    egress: Annotated[Egress | None, Field(description="Where agents may connect to.")] = None
    audit: Annotated[Audit | None, Field(description="What is written down of each turn.")] = None
    on_state_error: Annotated[
        StateError | None,
        Meet(MeetKind.OBLIGATION, StateError.DENY.value),
        Field(description="Whether turns are denied, or counted in the pod, while the shared state is away."),
    ] = None
