"""The ServiceAccount that the pods run as. It may do nothing, and its token is not mounted."""

from typing import Any

from regent_api.objects import AIAgent
from regent_operator.plan.child import child


def build(agent: AIAgent) -> dict[str, Any]:
    return child(agent, "v1", "ServiceAccount", automountServiceAccountToken=False)
