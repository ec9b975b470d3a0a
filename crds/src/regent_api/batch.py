"""`batch` of an AIAgent: how the requests of a POST /v1/batch are asked."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from regent_api.model import Model


class Grouping(StrEnum):
    NONE = "None"
    SIMILAR = "Similar"


class Batch(Model):
    grouping: Annotated[
        Grouping | None,
        Field(
            description="None, when absent: each request is asked alone. Similar: short questions that are alike go to "
            "a model together, where a guard looks for injections and finds none; an answer that does not part into "
            "one for each is thrown away, and each is asked alone."
        ),
    ] = None
