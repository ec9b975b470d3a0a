"""Who may talk to the agents."""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import ATOMIC, Cel, Meet, MeetKind, Model, Words
from regent_api.types import LabelSelector, Opinion


class ServiceAccountGrant(Model):
    """ServiceAccounts whose tokens are let in."""

    namespace: Annotated[
        Annotated[
            str,
            StringConstraints(pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$", max_length=63),
            Words("the name of a namespace, or * for every one"),
        ]
        | None,
        Field(description="Namespace, or * for every one; absent: the agent's own."),
    ] = None
    name: Annotated[
        str,
        StringConstraints(pattern=r"^[-.a-z0-9*]+$", min_length=1, max_length=253),
        Words("the name of a ServiceAccount such as chat or chat-*"),
        Field(description="Name of the ServiceAccount; * stands for any run of characters."),
    ]


class Peer(Model):
    """Pods that may open a connection to the agents, as in NetworkPolicy."""

    cel_rules = (
        Cel(
            "has(self.namespaceSelector) || has(self.podSelector)",
            "set namespaceSelector, podSelector or both",
        ),
    )
    namespace_selector: Annotated[
        LabelSelector | None, Field(description="Labels of the peers' namespaces; absent: the agent's own namespace.")
    ] = None
    pod_selector: Annotated[LabelSelector | None, Field(description="Labels of the peers; absent: every pod.")] = None


class Callers(Model):
    """Who may talk to the agents."""

    service_accounts: Annotated[
        list[ServiceAccountGrant] | None,
        ATOMIC,
        Meet(MeetKind.GRANT, "every ServiceAccount of the agent's namespace"),
        Field(
            min_length=1,
            max_length=64,
            description="ServiceAccounts whose tokens (audience regent.dev/NAMESPACE/AGENT, lifetime at most 24 h) "
            "are let in.",
        ),
    ] = None
    anonymous: Annotated[
        Opinion | None,
        Meet(MeetKind.GRANT, "Deny"),
        Field(description="Whether requests without a token are let in."),
    ] = None
    may_instruct: Annotated[
        Opinion | None,
        Meet(MeetKind.GRANT, "Deny"),
        Field(description="Whether callers may send system and developer messages."),
    ] = None
    ingress_from: Annotated[
        list[Peer] | None,
        ATOMIC,
        Meet(MeetKind.GRANT, "no peers beside the namespaces of callers.serviceAccounts"),
        Field(
            min_length=1,
            max_length=16,
            description="Peers that may connect, beside the namespaces of serviceAccounts: ingress controllers.",
        ),
    ] = None
