"""What the class of a turn's label asks for before a model may see it."""

from collections.abc import Iterator
from dataclasses import dataclass

from regent_api.config import AgentConfig
from regent_api.effective import Duty
from regent_api.types import Sensitivity
from regent_runtime.decision import Decision, Stage, decided
from regent_runtime.refusals import DATA_CLASS_FORBIDDEN, Refused


@dataclass(frozen=True, slots=True)
class Treatment:
    """How turns of one label are treated. Its obligations do not replace each other: all hold."""

    sensitivity: Sensitivity
    own: Sensitivity
    """What the turn reached by itself, without its conversation."""
    duties: frozenset[Duty]
    anonymize: bool
    """Models see placeholders in the place of personal data."""
    retention_seconds: float | None
    """How long the content of such a turn is kept at most; None: no bound."""

    @property
    def local_only(self) -> bool:
        """Only providers that are proved local may see it."""
        return Duty.LOCAL_ONLY in self.duties

    @property
    def needs_approval(self) -> bool:
        return Duty.APPROVE in self.duties

    def check(self) -> None:
        """Raises Refused (403) where no model may see such data."""
        if Duty.DENY in self.duties:
            raise Refused(
                DATA_CLASS_FORBIDDEN,
                f"The policy lets no model see {self.sensitivity} data.",
                field=f"data.classes.{self.sensitivity}.aiProcessing",
            )


def treatment(config: AgentConfig, sensitivity: Sensitivity, own: Sensitivity) -> Treatment:
    effective = config.policy.data.classes.of(sensitivity)
    duties = frozenset(effective.ai_processing)
    return Treatment(sensitivity, own, duties, effective.anonymize, effective.retention_seconds)


def decisions(config: AgentConfig, chosen: Treatment) -> Iterator[Decision]:
    """One for each duty of the class that lets the turn go on."""
    field = f"data.classes.{chosen.sensitivity}.aiProcessing"
    for duty in sorted(chosen.duties - {Duty.DENY}):
        yield decided(config.sources, Stage.CLASS, duty.value, field, chosen.sensitivity.value)
