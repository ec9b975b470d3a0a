"""How the pods of a route's agents stand with its providers, as they told it last."""

from collections.abc import Iterable
from dataclasses import dataclass

from regent_api.route import ProviderHealth
from regent_operator.plan.observation import PodSeen

CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ProviderFigures:
    """Of one provider, over some pods."""

    name: str
    pods: int = 0
    """That said something of it."""
    broken: int = 0
    """Whose breaker is not closed."""
    last_failure: str = ""
    """A word of docs/reference/route-errors.md, of a pod whose last attempt failed; empty: none did."""

    @property
    def health(self) -> ProviderHealth | None:
        """None: nobody says anything."""
        if not self.pods:
            return None
        if not self.broken:
            return ProviderHealth.HEALTHY
        return ProviderHealth.UNAVAILABLE if self.broken == self.pods else ProviderHealth.DEGRADED


def of_pods(pods: Iterable[PodSeen]) -> tuple[ProviderFigures, ...]:
    """By name; only pods that can serve are believed to know."""
    return added(
        ProviderFigures(said.name, 1, int(said.breaker != CLOSED), said.last_failure)
        for pod in pods
        if pod.can_serve and pod.echo is not None
        for said in pod.echo.providers
    )


def added(figures: Iterable[ProviderFigures]) -> tuple[ProviderFigures, ...]:
    """Those of one name together; of several last failures the first by the alphabet, so that status holds still."""
    found: dict[str, ProviderFigures] = {}
    for each in figures:
        known = found.get(each.name, ProviderFigures(each.name))
        words = sorted({known.last_failure, each.last_failure} - {""})
        found[each.name] = ProviderFigures(
            each.name, known.pods + each.pods, known.broken + each.broken, next(iter(words), "")
        )
    return tuple(found[name] for name in sorted(found))
