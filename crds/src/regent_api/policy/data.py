"""Classes of data, what models may do with them, and personal data."""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import SET, Meet, MeetKind, Model
from regent_api.types import Obligation, Retention, Sensitivity

Group = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class AiProcessing(Obligation):
    """What models may do with data of a class. Two opinions hold together; Forbidden absorbs."""

    ALLOWED = "Allowed"
    ALLOWED_WITH_APPROVAL = "AllowedWithApproval"
    LOCAL_ONLY = "LocalOnly"
    FORBIDDEN = "Forbidden"

    @property
    def duties(self) -> frozenset[str]:
        return _DUTIES[self]


_DUTIES = {
    AiProcessing.ALLOWED: frozenset[str](),
    AiProcessing.ALLOWED_WITH_APPROVAL: frozenset({"Approve"}),
    AiProcessing.LOCAL_ONLY: frozenset({"LocalOnly"}),
    AiProcessing.FORBIDDEN: frozenset({"Deny"}),
}


class DataClass(Model):
    """What may be done with data of one label."""

    ai_processing: Annotated[
        AiProcessing | None,
        Meet(MeetKind.OBLIGATION, "Allowed"),
        Field(description="Whether models may see it: freely, once approved, only local ones, or none."),
    ] = None
    retention: Annotated[
        Retention | None,
        Meet(MeetKind.CAP, "no bound"),
        Field(description="How long encrypted audit content and conversations of this label are kept at most."),
    ] = None
    anonymize: Annotated[
        bool | None,
        Meet(MeetKind.OBLIGATION, "false"),
        Field(description="Whether personal data is replaced by placeholders before a model sees it."),
    ] = None


class DataClasses(Model):
    """One class a label."""

    public: Annotated[DataClass | None, Field(alias="Public", description="Data labelled Public.")] = None
    internal: Annotated[DataClass | None, Field(alias="Internal", description="Data labelled Internal.")] = None
    confidential: Annotated[
        DataClass | None, Field(alias="Confidential", description="Data labelled Confidential.")
    ] = None
    restricted: Annotated[DataClass | None, Field(alias="Restricted", description="Data labelled Restricted.")] = None


class PersonalData(Model):
    """What personal data means for a turn."""

    raises_to: Annotated[
        Sensitivity | None,
        Meet(MeetKind.FLOOR, "no raise"),
        Field(description="Label that a turn has at least when personal data is found in its input."),
    ] = None
    readers: Annotated[
        list[Group] | None,
        SET,
        Meet(MeetKind.GRANT, "nobody: placeholders stay"),
        Field(min_length=1, max_length=32, description="Groups whose members see anonymised data restored."),
    ] = None


class Data(Model):
    """How sensitive the agents' data are, and what may be done with them."""

    min_sensitivity: Annotated[
        Sensitivity | None,
        Meet(MeetKind.FLOOR, "Public"),
        Field(description="Label that every turn has at least, whatever the agent declares."),
    ] = None
    unlabelled: Annotated[
        Sensitivity | None,
        Meet(MeetKind.FLOOR, "Restricted"),
        Field(
            description="Label of retrieved data that bears none, or none that can be read: a conversation while the "
            "state is away and onStateError is Local."
        ),
    ] = None
    classes: Annotated[DataClasses | None, Field(description="What may be done with data of each label.")] = None
    personal_data: Annotated[PersonalData | None, Field(description="What personal data means for a turn.")] = None
