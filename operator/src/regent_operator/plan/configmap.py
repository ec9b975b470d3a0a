"""The ConfigMap that hands the AgentConfig and its seal to the pods.

It holds no secret: credentials are mounted from Secrets. Who can write it cannot make a seal, so pods take nothing of
it that the operator did not put there.
"""

from typing import Any

from regent_api.config import CONFIG_KEY
from regent_api.objects import AIAgent
from regent_api.seal import SEAL_KEY
from regent_operator.plan.child import child


def build(agent: AIAgent, config_text: str, seal: str) -> dict[str, Any]:
    return child(agent, "v1", "ConfigMap", data={CONFIG_KEY: config_text, SEAL_KEY: seal})
