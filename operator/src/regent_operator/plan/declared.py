"""What one ModelRoute declares, read once for each version of the object: thousands of agents share a route."""

from dataclasses import dataclass
from functools import cached_property

from regent_api.config import RouteConfig, digest
from regent_api.objects import ModelRoute
from regent_api.route import ModelRouteSpec
from regent_operator.plan.acceptance import Rejection, route_rejection
from regent_operator.plan.config import declared_route
from regent_operator.plan.remembered import Remembered


@dataclass(frozen=True, eq=False)
class Declared:
    """Compared by identity: `declared` gives the same one for the same object."""

    name: str
    spec: ModelRouteSpec
    rejection: Rejection | None
    """Why it is not Accepted."""

    @cached_property
    def config(self) -> RouteConfig:
        """As its author wrote it, defaults filled in."""
        return declared_route(self.name, self.spec)

    @cached_property
    def digest(self) -> str:
        """Of its meaning."""
        return digest(self.config.wire())


def declared(route: ModelRoute, cluster_domain: str) -> Declared:
    return _declared.of(route, also=cluster_domain, make=lambda: _declare(route, cluster_domain))


_declared: Remembered[Declared] = Remembered()


def _declare(route: ModelRoute, cluster_domain: str) -> Declared:
    return Declared(route.metadata.name, route.spec, route_rejection(route, cluster_domain))
