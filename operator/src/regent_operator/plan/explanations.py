"""Words for Events: what an edit has loosened."""

from regent_api.config import AgentConfig


def widened(last: AgentConfig, new: AgentConfig) -> tuple[str, ...]:
    """Policy fields that let more through than before, each as `FIELD: OLD -> NEW`; sorted by field."""
    raise NotImplementedError
