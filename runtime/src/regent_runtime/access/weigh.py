"""The label of a turn, and what its class asks for: decided, and written into the turn's record."""

from regent_api.config import AgentConfig
from regent_runtime.access.classes import Treatment, decisions, treatment
from regent_runtime.access.labels import Stored, label
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import DATA_CLASS_FORBIDDEN, Refused


def weigh(config: AgentConfig, declared: str | None, stored: Stored, record: TurnRecord) -> Treatment:
    """How the turn is to be treated. Raises Refused: 400 for a declared label that is none, 403 for forbidden data."""
    sensitivity, raised = label(config, declared, stored, lambda: False)
    chosen = treatment(config, sensitivity)
    record.sensitivity, record.retention_seconds = sensitivity.value, chosen.retention_seconds
    record.decisions += (*raised, *decisions(config, chosen))
    chosen.check()
    if chosen.needs_approval:
        raise Refused(DATA_CLASS_FORBIDDEN, "Turns of this sensitivity need an approval, and nobody may give it.")
    return chosen
