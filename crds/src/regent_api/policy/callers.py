"""Who may talk to the agents."""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import ATOMIC, BY_NAME, SET, Cel, Meet, MeetKind, Model, Words
from regent_api.types import DnsLabel, KeyRef, LabelSelector, Opinion

Subject = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Group = Annotated[str, StringConstraints(min_length=1, max_length=255)]


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


class KeySet(Model):
    """The public keys of an issuer, as a JSON Web Key Set. Nothing is ever fetched from the issuer."""

    cel_rules = (
        Cel("has(self.inline) != has(self.configMapKeyRef)", "set exactly one of jwks.inline and jwks.configMapKeyRef"),
    )
    atomic = True
    inline: Annotated[
        Annotated[str, StringConstraints(min_length=2, max_length=32768)] | None,
        Field(description="The set as JSON, as the issuer serves it at its jwks_uri; public keys alone."),
    ] = None
    config_map_key_ref: Annotated[
        KeyRef | None,
        Field(description="Key of a ConfigMap of the policy's namespace that holds it; its edits are followed."),
    ] = None


class OidcGrant(Model):
    """Callers of one OpenID Connect issuer, by their tokens' subject or groups."""

    cel_rules = (
        Cel(
            "!has(self.groups) || has(self.groupsClaim)",
            "groups are read from a claim; say which with groupsClaim, or remove groups",
            ".groups",
        ),
    )
    issuer: Annotated[
        str,
        StringConstraints(pattern=r"^https://[-._~a-zA-Z0-9:/]+$", max_length=253),
        Words("the issuer as its tokens bear it in `iss`, such as https://login.example.com/tenant"),
        Field(description="Issuer of the tokens, exactly as in their claim `iss`; never the cluster's own."),
    ]
    audience: Annotated[
        str,
        StringConstraints(min_length=1, max_length=253),
        Field(description="What the tokens must be for, as in their claim `aud`; choose one for each agent."),
    ]
    jwks: Annotated[KeySet, Field(description="The issuer's public keys; RS256 and ES256 are verified.")]
    groups_claim: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=128)] | None,
        Field(description="Claim that holds the caller's groups, a text or a list of texts; absent: no groups."),
    ] = None
    subjects: Annotated[
        list[Subject] | None,
        SET,
        Field(min_length=1, max_length=64, description="Subjects (`sub`) that are let in."),
    ] = None
    groups: Annotated[
        list[Group] | None,
        SET,
        Field(
            min_length=1,
            max_length=64,
            description="Groups whose members are let in, beside the subjects. Neither stated: every good token.",
        ),
    ] = None

    def lets_in(self, subject: str, groups: frozenset[str]) -> bool:
        """Whether the grant is for a caller whose token was proved under it."""
        if self.subjects is None and self.groups is None:
            return True
        return subject in (self.subjects or ()) or not groups.isdisjoint(self.groups or ())


class ApiKeyGrant(Model):
    """A caller that shows a secret value as its bearer token."""

    name: Annotated[
        DnsLabel, Field(description="Who the key stands for; limits, records and approvals know it by this.")
    ]
    secret_key_ref: Annotated[
        KeyRef,
        Field(
            description="Secret and key of the agents' namespace: one value of 128 random bits or more a line; "
            "several are good side by side, for rotation."
        ),
    ]
    groups: Annotated[
        list[Group] | None, SET, Field(min_length=1, max_length=64, description="Groups that the caller is in.")
    ] = None


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
    oidc: Annotated[
        list[OidcGrant] | None,
        ATOMIC,
        Meet(MeetKind.GRANT, "nobody"),
        Field(
            min_length=1,
            max_length=8,
            description="Callers with tokens of other issuers (OpenID Connect), lifetime at most 24 h.",
        ),
    ] = None
    api_keys: Annotated[
        list[ApiKeyGrant] | None,
        BY_NAME,
        Meet(MeetKind.GRANT, "nobody"),
        Field(
            min_length=1,
            max_length=32,
            description="Callers with API keys, held in Secrets of the agents' namespace; not in a floor policy.",
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
