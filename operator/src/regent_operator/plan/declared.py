"""What one ModelRoute declares, read once for each version of the object: thousands of agents share a route."""

from dataclasses import dataclass
from functools import cached_property

from regent_api.config import RouteConfig, digest
from regent_api.objects import ModelRoute
from regent_operator.plan.acceptance import Rejection, route_rejection
from regent_operator.plan.config import declared_route
from regent_operator.plan.remembered import Remembered

MOST_REMEMBERED = 4096


@dataclass(frozen=True, eq=False)
class Declared:
    """Compared by identity: `declared` gives the same one for the same object."""

    route: ModelRoute
    rejection: Rejection | None
    """Why it is not Accepted."""

    @cached_property
    def config(self) -> RouteConfig:
        """As its author wrote it, defaults filled in."""
        return declared_route(self.route.metadata.name, self.route.spec)

    @cached_property
    def digest(self) -> str:
        """Of its meaning."""
        return digest(self.config.wire())


def declared(route: ModelRoute, cluster_domain: str) -> Declared:
    return _declared.of(
        route, also=cluster_domain, make=lambda: Declared(route, route_rejection(route, cluster_domain))
    )


_declared: Remembered[Declared] = Remembered(MOST_REMEMBERED)
