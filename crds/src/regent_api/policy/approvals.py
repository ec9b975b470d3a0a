"""Who approves turns whose data class asks for it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import SET, Cel, Meet, MeetKind, Model
from regent_api.policy.together import Named
from regent_api.types import Duration

APPROVAL_TTL_DEFAULT = "15m"
Subject = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class Approvers(Model):
    """Callers that may approve: of one of the groups, or one of the subjects."""

    cel_rules = (Cel("has(self.groups) || has(self.subjects)", "set groups, subjects or both"),)
    atomic = True
    groups: Annotated[
        list[Subject] | None, SET, Field(min_length=1, max_length=32, description="Groups whose members may approve.")
    ] = None
    subjects: Annotated[
        list[Subject] | None,
        SET,
        Field(
            min_length=1,
            max_length=32,
            description="Callers that may approve, such as system:serviceaccount:acme:lead or an OIDC subject.",
        ),
    ] = None

    @property
    def named(self) -> Named:
        return frozenset(self.subjects or ()), frozenset(self.groups or ())


class Approvals(Model):
    """How turns of a class with aiProcessing AllowedWithApproval are approved."""

    approvers: Annotated[
        Approvers | None,
        Meet(MeetKind.GRANT, "nobody: such turns are denied"),
        Field(description="Who may approve; where several policies say so, an approver of every one."),
    ] = None
    ttl: Annotated[
        Duration | None,
        Meet(MeetKind.CAP, APPROVAL_TTL_DEFAULT),
        Field(description="How long after its request an approval may be given and used."),
    ] = None
    four_eyes: Annotated[
        bool | None,
        Meet(MeetKind.OBLIGATION, "true"),
        Field(description="Whether callers may not approve their own turns."),
    ] = None
