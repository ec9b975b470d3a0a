"""The stages of a turn that are about its data: weigh it, and veil what no model may see. Each is written down."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from regent_api.config import AgentConfig
from regent_runtime.access import membership
from regent_runtime.access.anonymise import Anonymised, anonymise
from regent_runtime.access.classes import Treatment, decisions, treatment
from regent_runtime.access.labels import label, within
from regent_runtime.access.personal import PersonalData, texts
from regent_runtime.access.placeholders import nonce
from regent_runtime.access.restore import Restored, visible
from regent_runtime.callers import Caller
from regent_runtime.conversations import Opened
from regent_runtime.decision import Stage, decided
from regent_runtime.record import TurnRecord
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.request import ChatRequest

Release = Callable[[Chunk], Awaitable[None]]
"""Lets the caller have a chunk."""
QUICK_CHARACTERS = 8192
QUICK_VALUES = 128
"""Of a request that is anonymised on the event loop, which that holds for a few milliseconds."""


async def weigh(
    config: AgentConfig, declared: str | None, conversation: Opened, personal: PersonalData, record: TurnRecord
) -> Treatment:
    """How the turn is to be treated; `check` it before it goes on. Raises Refused (400) for a label that is none."""
    own, raised = await label(config, declared, personal)
    sensitivity, held = within(config, conversation, own)
    chosen = treatment(config, sensitivity, own)
    record.sensitivity = sensitivity.value
    record.decisions += (*raised, *held, *decisions(config, chosen))
    return chosen


class Veil:
    """What a model sees of a turn, and how its answer becomes what the caller sees."""

    def __init__(self, made: Anonymised, *, may_read: bool) -> None:
        self.request = made.request
        self.changed = bool(made.originals)
        """Whether placeholders stand in it."""
        self._originals = visible(made.originals, may_read=may_read)

    def lifting(self, release: Release) -> Release:
        """The last stage before the caller: what is released through it has its placeholders restored."""
        if not self._originals:
            return release
        restored = Restored(self._originals)

        async def lifted(chunk: Chunk) -> None:
            if (made := restored.let(chunk)) is not None:
                await release(made)

        return lifted


async def veil(
    config: AgentConfig,
    chosen: Treatment,
    request: ChatRequest,
    personal: PersonalData,
    caller: Caller,
    conversation: Opened,
    record: TurnRecord,
) -> Veil:
    """Placeholders in the place of personal data, where the class asks for them. Raises Refused (422).

    Their nonce is the conversation's; a turn without one has its own.
    """
    if not chosen.anonymize:
        return Veil(Anonymised(request, {}), may_read=False)
    values = await personal.values()
    asked = (request, values, nonce(conversation.nonce if conversation else secrets.token_hex()))
    is_quick = len(values) <= QUICK_VALUES and sum(map(len, texts(request))) <= QUICK_CHARACTERS
    made = anonymise(*asked) if is_quick else await asyncio.to_thread(anonymise, *asked)
    field = f"data.classes.{chosen.sensitivity}.anonymize"
    record.decisions.append(decided(config.sources, Stage.ANONYMIZE, "Anonymize", field, f"{len(values)} values"))
    return Veil(made, may_read=config.policy.data.personal_data.may_read(membership.groups(caller)))
