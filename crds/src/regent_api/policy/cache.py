"""Which answers are kept, to be given again."""

from typing import Annotated

from pydantic import Field

from regent_api.model import Meet, MeetKind, Model
from regent_api.types import Duration, Opinion, Ranked, Sensitivity

CACHE_TTL_DEFAULT = "1h"
MIN_SIMILARITY_DEFAULT = 0.85


class CacheScope(Ranked):
    """Who may get an answer that was kept; the stricter holds."""

    AGENT = "Agent"
    CALLER = "Caller"


CACHE_SCOPE_DEFAULT = CacheScope.CALLER


class Cache(Model):
    """Which answers are kept, to be given again to an equal request. None, unless a policy states maxSensitivity."""

    max_sensitivity: Annotated[
        Sensitivity | None,
        Meet(MeetKind.CAP, "no answer is kept"),
        Field(description="Answers to turns above this label are not kept."),
    ] = None
    ttl: Annotated[
        Duration | None,
        Meet(MeetKind.CAP, CACHE_TTL_DEFAULT),
        Field(description="How long an answer is kept, such as 1h."),
    ] = None
    semantic: Annotated[
        Opinion | None,
        Meet(MeetKind.GRANT, Opinion.DENY.value),
        Field(description="Whether an answer may be given to a question that means the same in other words."),
    ] = None
    min_similarity: Annotated[
        float | None,
        Meet(MeetKind.FLOOR, str(MIN_SIMILARITY_DEFAULT)),
        Field(ge=0.5, le=1, description="Least cosine of two questions that may mean the same."),
    ] = None
    scope: Annotated[
        CacheScope | None,
        Meet(MeetKind.OBLIGATION, CACHE_SCOPE_DEFAULT.value),
        Field(description="Caller: nobody gets an answer that another caller was given. Agent: any caller may."),
    ] = None
