"""`prompt` of an AIAgent: how a prompt that is too long comes to fit."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from regent_api.model import Model


class WhenTooLong(StrEnum):
    REFUSE = "Refuse"
    SHORTEN = "Shorten"


class Prompt(Model):
    """What becomes of a prompt with more tokens than the policy, or the model that is to be asked first, takes."""

    when_too_long: Annotated[
        WhenTooLong | None,
        Field(
            description="Refuse, when absent. Shorten: repeated passages go, then old turns are summarised by a model "
            "of the turn's own rule, which is paid like any request, then instructions.short is used; no more than is "
            "needed. The last user turn stays as it is."
        ),
    ] = None
