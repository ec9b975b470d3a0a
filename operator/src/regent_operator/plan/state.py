"""Where an agent's pods keep what outlives a turn."""

from regent_api.config import StateConfig
from regent_api.objects import AIAgent


def state_config(agent: AIAgent) -> StateConfig:
    """Ids of conversations are issued where every pod knows them: of several pods none would know another's."""
    return StateConfig(conversations=agent.spec.replicas == 1)
