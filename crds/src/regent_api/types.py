"""The words that the three kinds share: labels, durations, references, selectors, host patterns.

Every string, list and map is bounded: an unbounded one makes the API server refuse CEL rules over it.
"""

import re
from enum import StrEnum
from typing import Annotated, Never

from pydantic import Field, StringConstraints

from regent_api.model import ATOMIC, Cel, Model, Words

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
SECRET_KEY = r"^[-._a-zA-Z0-9]+$"
DURATION = r"^([0-9]{1,6}(h|ms|m|s)){1,4}$"
RETENTION = r"^[1-9][0-9]{0,4}[hdy]$"
HOST_PATTERN = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

LABEL_KEY = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"


class Ranked(StrEnum):
    """Words with an order: the order in which they are declared, the lowest first.

    Raises TypeError when compared with a plain string, which would otherwise be ordered by the alphabet.
    """

    rank: int

    def __init__(self, _: str) -> None:
        self.rank = len(type(self)._member_names_)

    def __lt__(self, other: object) -> bool:
        return self.rank < other.rank if type(other) is type(self) else self._refuse(other)

    def __le__(self, other: object) -> bool:
        return self.rank <= other.rank if type(other) is type(self) else self._refuse(other)

    def __gt__(self, other: object) -> bool:
        return self.rank > other.rank if type(other) is type(self) else self._refuse(other)

    def __ge__(self, other: object) -> bool:
        return self.rank >= other.rank if type(other) is type(self) else self._refuse(other)

    def _refuse(self, other: object) -> Never:
        raise TypeError(f"a {type(self).__name__} has no order with a {type(other).__name__}")


class Sensitivity(Ranked):
    """How much harm a leak does; ordered, Public the lowest. An unknown label counts as Restricted."""

    PUBLIC = "Public"
    INTERNAL = "Internal"
    CONFIDENTIAL = "Confidential"
    RESTRICTED = "Restricted"


class Obligation(StrEnum):
    """A word that lays duties on whoever serves a turn. Two such words lay both's duties; Deny absorbs all others."""

    @property
    def duties(self) -> frozenset[str]:
        return frozenset({self.value})


class Opinion(StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"


_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "y": 31_536_000.0}


def seconds(duration: str) -> float:
    """`1m30s` -> 90.0, and of a Retention `30d` -> 2592000.0. Raises ValueError for what the CRD would refuse."""
    if re.fullmatch(RETENTION, duration):
        return int(duration[:-1]) * _UNIT_SECONDS[duration[-1]]
    if not re.fullmatch(DURATION, duration):
        raise ValueError(f"not a duration: {duration!r}; write for example 250ms, 30s, 5m or 1h30m")
    return sum(int(n) * _UNIT_SECONDS[unit] for n, unit in re.findall(r"([0-9]+)(h|ms|m|s)", duration))


Duration = Annotated[
    str,
    StringConstraints(pattern=DURATION, max_length=24),
    Words("a duration such as 250ms, 30s, 5m or 1h30m"),
    Cel(f"!self.matches('{DURATION}') || duration(self) > duration('0s')", "must be longer than 0s"),
]
Retention = Annotated[
    str,
    StringConstraints(pattern=RETENTION, max_length=6),
    Words("a time such as 12h, 30d or 7y (a year has 365 days)"),
]
DnsLabel = Annotated[
    str,
    StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=63),
    Words("a name of a-z, 0-9 and - such as primary-1"),
]
ObjectName = Annotated[
    str,
    StringConstraints(pattern=DNS_SUBDOMAIN, min_length=1, max_length=253),
    Words("the name of an object: a-z, 0-9, - and dots"),
]
SecretKey = Annotated[
    str,
    StringConstraints(pattern=SECRET_KEY, min_length=1, max_length=253),
    Words("a key of letters, digits, -, _ and dots"),
]
HostPattern = Annotated[
    str,
    StringConstraints(pattern=HOST_PATTERN, min_length=1, max_length=253),
    Words("a lower-case host such as api.example.com or *.example.com, with no scheme, port or path"),
]
"""A host name, or `*.` and a host name: any number of labels in front. Lower case, no port, no scheme."""
Cidr = Annotated[
    str,
    StringConstraints(min_length=2, max_length=43),
    Cel("isCIDR(self)", "must be a CIDR such as 10.0.0.0/8 or 2001:db8::/32"),
]
LabelKey = Annotated[
    str,
    StringConstraints(pattern=LABEL_KEY, min_length=1, max_length=317),
    Words("a label key such as app or example.com/tier"),
]
LabelValue = Annotated[
    str,
    StringConstraints(pattern=LABEL_VALUE, max_length=63),
    Words("a label value of letters, digits, -, _ and dots, or empty"),
]
Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=16),
    Cel(f"self.all(key, key.matches('{LABEL_KEY}'))", "every key must be a label key such as app or example.com/tier"),
]


class ObjectRef(Model):
    """An object of the same namespace."""

    atomic = True
    name: Annotated[ObjectName, Field(description="Name of the object, in the same namespace.")]


class KeyRef(Model):
    """One key of a ConfigMap or Secret of the same namespace."""

    atomic = True
    name: Annotated[ObjectName, Field(description="Name of the object, in the same namespace.")]
    key: Annotated[SecretKey, Field(description="Key within the object's data.")]


class SelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(Model):
    """What one label must be."""

    cel_rules = (
        Cel(
            "self.operator in ['In', 'NotIn'] ? has(self.values) : !has(self.values)",
            "In and NotIn take values; Exists and DoesNotExist take none",
        ),
    )
    key: Annotated[LabelKey, Field(description="Label key that the requirement is about.")]
    operator: Annotated[SelectorOperator, Field(description="How the label relates to the values.")]
    values: Annotated[
        list[LabelValue] | None,
        ATOMIC,
        Field(min_length=1, max_length=32, description="Values for In and NotIn."),
    ] = None


class LabelSelector(Model):
    """Kubernetes' label selector. `{}` matches everything."""

    atomic = True
    match_labels: Annotated[Labels | None, Field(description="Labels that must all have exactly these values.")] = None
    match_expressions: Annotated[
        list[LabelRequirement] | None,
        ATOMIC,
        Field(min_length=1, max_length=16, description="Requirements that must all hold."),
    ] = None

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether labels satisfy every requirement (apimachinery's rules: NotIn also matches an absent label)."""
        exact = all(labels.get(key) == value for key, value in (self.match_labels or {}).items())
        return exact and all(_holds(requirement, labels) for requirement in self.match_expressions or [])


def _holds(requirement: LabelRequirement, labels: dict[str, str]) -> bool:
    present = requirement.key in labels
    match requirement.operator:
        case SelectorOperator.IN:
            return present and labels[requirement.key] in (requirement.values or [])
        case SelectorOperator.NOT_IN:
            return not present or labels[requirement.key] not in (requirement.values or [])
        case SelectorOperator.EXISTS:
            return present
        case SelectorOperator.DOES_NOT_EXIST:
            return not present


def host_matches(pattern: str, host: str) -> bool:
    """Whether a lower-case host satisfies a HostPattern; `*.svc` matches `a.b.svc` and never `svc` itself."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


CLUSTER_DOMAIN = "cluster.local"
"""Of the cluster's DNS, unless its admins chose another one."""


def in_cluster(host: str, cluster_domain: str) -> str | None:
    """`NAMESPACE/NAME` of the Service that `[POD.]NAME.NAMESPACE.svc[.DOMAIN]` names; None: an outside host."""
    labels = host.removesuffix("." + cluster_domain).split(".")
    if len(labels) < 3 or labels[-1] != "svc":
        return None
    return f"{labels[-2]}/{labels[-3]}"


def glob_matches(pattern: str, text: str) -> bool:
    """Whether text satisfies a glob whose only wildcard is `*` (any run of characters, none too)."""
    if "*" not in pattern:
        return pattern == text
    head, *middle, tail = pattern.split("*")
    if not text.startswith(head):
        return False
    at = len(head)
    for part in middle:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - at >= len(tail) and text.endswith(tail)
