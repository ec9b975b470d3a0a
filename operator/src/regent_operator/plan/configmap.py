"""The ConfigMap that hands the AgentConfig to the pods. It holds no secret: credentials are mounted from Secrets."""

from typing import Any

from regent_api.config import CONFIG_KEY
from regent_api.objects import AIAgent
from regent_operator.plan.child import child


def build(agent: AIAgent, config_text: str) -> dict[str, Any]:
    return child(agent, "v1", "ConfigMap", data={CONFIG_KEY: config_text})
