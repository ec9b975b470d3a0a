"""Where agents may connect to."""

from typing import Annotated

from pydantic import Field

from regent_api.model import SET, Cel, Meet, MeetKind, Model
from regent_api.types import Cidr, HostPattern


class Egress(Model):
    """Where agents may connect to, beyond what the route needs."""

    cel_rules = (Cel("has(self.hosts) || has(self.cidrs)", "set egress.hosts, egress.cidrs or both"),)
    hosts: Annotated[
        list[HostPattern] | None,
        SET,
        Meet(MeetKind.GRANT, "the route's hosts"),
        Field(
            min_length=1,
            max_length=64,
            description="Hosts that the process may connect to. Providers whose host is not listed are dropped.",
        ),
    ] = None
    cidrs: Annotated[
        list[Cidr] | None,
        SET,
        Meet(MeetKind.GRANT, "public addresses on 443, and the route's in-cluster Services"),
        Field(
            min_length=1,
            max_length=64,
            description="Address ranges that connections to outside hosts may reach.",
        ),
    ] = None
