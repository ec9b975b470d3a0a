"""The label of a turn: the highest of everything that has a say. Nothing ever lowers it.

It is computed anew over the whole history that the caller sends, and met with what its conversation bore before, so it
never falls within a conversation, whatever the caller leaves out.
"""

from collections.abc import Callable, Iterator
from enum import Enum

from regent_api.config import AgentConfig
from regent_api.types import Sensitivity
from regent_runtime.decision import Decision, Stage, decided
from regent_runtime.refusals import INVALID_SENSITIVITY, Refused


class Unreadable(Enum):
    """A conversation has a label that cannot be read: the state is away, or holds a word that nobody knows."""

    LABEL = "unreadable"


Stored = Sensitivity | Unreadable | None
"""What a conversation bore before; None where there is no conversation, or nothing was said in it yet."""


def label(
    config: AgentConfig, declared: str | None, stored: Stored, holds_personal_data: Callable[[], bool]
) -> tuple[Sensitivity, list[Decision]]:
    """The label, and a decision for each thing that raised it above the agent's own.

    `holds_personal_data` is asked only where the answer can raise the label. Raises Refused (400) for a declared label
    that does not exist: guessing could only be too low.
    """
    highest = config.sensitivity
    decisions = []
    for opinion, field, reason in _opinions(config, declared, stored):
        if opinion > highest:
            highest = opinion
            decisions.append(_raised(config, field, reason, opinion))
    raises_to = config.policy.data.personal_data.raises_to
    if raises_to is not None and raises_to > highest and holds_personal_data():
        highest = raises_to
        decisions.append(_raised(config, "data.personalData.raisesTo", "personal data in the input", raises_to))
    return highest, decisions


def _opinions(config: AgentConfig, declared: str | None, stored: Stored) -> Iterator[tuple[Sensitivity, str, str]]:
    """(label, field behind it, reason) of all that is cheap to know."""
    data = config.policy.data
    yield data.min_sensitivity, "data.minSensitivity", "the policy's minimum"
    if declared is not None:
        yield _declared(declared), "", "declared by the caller"
    if isinstance(stored, Sensitivity):
        yield stored, "", "borne by the conversation"
    elif stored is Unreadable.LABEL:
        yield data.unlabelled, "data.unlabelled", "a conversation whose label cannot be read"


def _declared(text: str) -> Sensitivity:
    try:
        return Sensitivity(text)
    except ValueError:
        words = f"X-Regent-Sensitivity must be one of {', '.join(Sensitivity)}."
        raise Refused(INVALID_SENSITIVITY, words, param="X-Regent-Sensitivity") from None


def _raised(config: AgentConfig, field: str, reason: str, to: Sensitivity) -> Decision:
    return decided(config.sources, Stage.LABEL, "Raise", field, f"{to}: {reason}")
