"""How a route attempts its providers, defaults filled in, in the form whose digest is its meaning."""

from collections.abc import Iterator

from regent_api.attempting import FALLBACK_DEFAULTS, FailureClass
from regent_api.config import FallbackConfig
from regent_api.route import ModelRouteSpec


def errors(spec: ModelRouteSpec) -> Iterator[str]:
    """Everything of it for which a ModelRoute cannot be used."""
    if spec.fallback and FailureClass.CANCELLED in (spec.fallback.on or []):
        yield "spec.fallback.on: leave Cancelled out: then the caller has gone, and nobody waits"


def fallback(spec: ModelRouteSpec) -> FallbackConfig:
    stated = spec.fallback.wire() if spec.fallback else {}
    filled = {**FALLBACK_DEFAULTS, **stated}
    return FallbackConfig(on=sorted(filled["on"]), max_attempts=filled["maxAttempts"])
