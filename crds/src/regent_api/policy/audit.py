"""What is written down of each turn, where, and for how long."""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import BY_NAME, Meet, MeetKind, Model, Words
from regent_api.types import DnsLabel, Ranked, Retention

AUDIT_RETENTION_DEFAULT = "180d"
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Url = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s]+$", max_length=1024),
    Words("a URL such as https://alerts.example.com/regent"),
]


class AuditDurability(Ranked):
    """Where a record must be before the turn goes on."""

    POD = "Pod"
    COLLECTOR = "Collector"


class AuditContent(Ranked):
    """Whether what was said is kept beside the record."""

    NONE = "None"
    ENCRYPTED = "Encrypted"


class AuditFailure(Ranked):
    """What a turn meets that cannot be written down."""

    CONTINUE = "Continue"
    DENY = "Deny"


class AlertRule(Model):
    """A record that somebody should hear of at once."""

    name: Annotated[DnsLabel, Field(description="Name of the alert, unique in the policy.")]
    when: Annotated[Expression, Field(description="CEL over `record`, such as record.decision == 'Deny'.")]
    webhook: Annotated[
        Url | None, Field(description="Where the record is posted to, within the policy's egress; absent: Event only.")
    ] = None


class Audit(Model):
    """The audit trail."""

    durability: Annotated[
        AuditDurability | None,
        Meet(MeetKind.OBLIGATION, AuditDurability.POD.value),
        Field(description="Where a record is on disk before the turn goes on: in the pod, or at the collector."),
    ] = None
    content: Annotated[
        AuditContent | None,
        Meet(MeetKind.OBLIGATION, AuditContent.NONE.value),
        Field(description="Whether input and output are kept, encrypted, beside the records."),
    ] = None
    retention: Annotated[
        Retention | None,
        Meet(MeetKind.FLOOR, AUDIT_RETENTION_DEFAULT),
        Field(description="How long records are kept at least, such as 180d or 7y."),
    ] = None
    on_failure: Annotated[
        AuditFailure | None,
        Meet(MeetKind.OBLIGATION, AuditFailure.DENY.value),
        Field(description="Whether turns that cannot be written down are denied."),
    ] = None
    alerts: Annotated[
        list[AlertRule] | None,
        BY_NAME,
        Meet(MeetKind.COLLECTION, "none"),
        Field(min_length=1, max_length=16, description="Records that somebody should hear of at once."),
    ] = None
