"""Which models agents may use, and which of them count as local."""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import ATOMIC, SET, Meet, MeetKind, Model, Words
from regent_api.types import HostPattern, Sensitivity

Glob = Annotated[
    str,
    StringConstraints(pattern=r"^[-._:/@a-zA-Z0-9*]+$", min_length=1, max_length=128),
    Words("a model name such as gpt-4o or gpt-*"),
]

LOCAL_AT_OR_ABOVE_DEFAULT = Sensitivity.CONFIDENTIAL


class ModelAllow(Model):
    """Models of one host that agents may use."""

    host: Annotated[HostPattern, Field(description="Host of the provider's baseURL, or *. and a domain.")]
    models: Annotated[
        list[Glob] | None,
        SET,
        Field(min_length=1, max_length=32, description="Model names; * stands for any characters; absent: all."),
    ] = None


class Models(Model):
    """Which models, and which of them count as local."""

    allow: Annotated[
        list[ModelAllow] | None,
        ATOMIC,
        Meet(MeetKind.GRANT, "what the route names"),
        Field(min_length=1, max_length=32, description="Providers outside this list are dropped from the route."),
    ] = None
    local_hosts: Annotated[
        list[HostPattern] | None,
        SET,
        Meet(MeetKind.GRANT, "none: no host counts as local"),
        Field(
            min_length=1,
            max_length=32,
            description="Hosts that a provider of type Local may have; its address must also lie in the cluster.",
        ),
    ] = None
    local_at_or_above: Annotated[
        Sensitivity | None,
        Meet(MeetKind.CAP, LOCAL_AT_OR_ABOVE_DEFAULT.value),
        Field(description="Turns of this label and higher go to local models only."),
    ] = None
