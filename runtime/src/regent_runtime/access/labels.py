"""The label of a turn: the highest of everything that has a say. Nothing ever lowers it.

It is computed anew over the whole history that the caller sends, and met with what its conversation bore before, so it
never falls within a conversation, whatever the caller leaves out.
"""

from collections.abc import Iterator

from regent_api.config import AgentConfig
from regent_api.types import Sensitivity
from regent_runtime.access.personal import PersonalData
from regent_runtime.conversations import Opened, Unread
from regent_runtime.decision import Decision, Stage, decided
from regent_runtime.refusals import INVALID_SENSITIVITY, Refused


async def label(
    config: AgentConfig, declared: str | None, personal: PersonalData
) -> tuple[Sensitivity, list[Decision]]:
    """What a turn reaches by itself, and a decision for each thing that raised it above the agent's own.

    Personal data is searched for only where finding some would raise the label. Raises Refused (400) for a declared
    label that does not exist: guessing could only be too low.
    """
    highest = config.sensitivity
    decisions = []
    for opinion, field, reason in _opinions(config, declared):
        if opinion > highest:
            highest = opinion
            decisions.append(_raised(config, field, reason, opinion))
    raises_to = config.policy.data.personal_data.raises_to
    if raises_to is not None and raises_to > highest and (personal.unseen or await personal.values()):
        highest = raises_to
        why = "an image, which may show personal data" if personal.unseen else "personal data in the input"
        decisions.append(_raised(config, "data.personalData.raisesTo", why, raises_to))
    return highest, decisions


def within(config: AgentConfig, conversation: Opened, own: Sensitivity) -> tuple[Sensitivity, list[Decision]]:
    """The label of a turn within its conversation, and the decision that raised it above its own."""
    match conversation:
        case None:
            return own, []
        case Unread():
            stored, field, reason = config.policy.data.unlabelled, "data.unlabelled", "a conversation that is away"
        case _:
            stored, field, reason = conversation.label, "", "borne by the conversation"
    return (stored, [_raised(config, field, reason, stored)]) if stored > own else (own, [])


def _opinions(config: AgentConfig, declared: str | None) -> Iterator[tuple[Sensitivity, str, str]]:
    """(label, field behind it, reason) of all that is known without a look at the input."""
    yield config.policy.data.min_sensitivity, "data.minSensitivity", "the policy's minimum"
    if declared is not None:
        yield _declared(declared), "", "declared by the caller"


def _declared(text: str) -> Sensitivity:
    try:
        return Sensitivity(text)
    except ValueError:
        words = f"X-Regent-Sensitivity must be one of {', '.join(Sensitivity)}."
        raise Refused(INVALID_SENSITIVITY, words, param="X-Regent-Sensitivity") from None


def _raised(config: AgentConfig, field: str, reason: str, to: Sensitivity) -> Decision:
    return decided(config.sources, Stage.LABEL, "Raise", field, f"{to}: {reason}")
