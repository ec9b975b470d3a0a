"""Which agents a policy is for."""

from typing import Annotated

from pydantic import Field

from regent_api.model import Model
from regent_api.types import LabelSelector


class Selector(Model):
    """Which agents, beside those that name the policy. `{}`: all of the namespace (all at all for a floor policy)."""

    agents: Annotated[LabelSelector | None, Field(description="Labels of the agents; absent matches all.")] = None
    namespaces: Annotated[
        LabelSelector | None,
        Field(
            description="Labels of the agents' namespaces; only in the operator's own namespace, where it makes "
            "the policy a floor of the cluster. Agents' authors choose agents' labels, so select floors by this."
        ),
    ] = None
