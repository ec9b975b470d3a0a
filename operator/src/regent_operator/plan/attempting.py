"""How a route attempts its providers, defaults filled in, in the form whose digest is its meaning."""

from collections.abc import Iterator, Mapping
from typing import Any

from regent_api.attempting import BREAKER_DEFAULTS, FALLBACK_DEFAULTS, RETRY_DEFAULTS, FailureClass
from regent_api.config import BreakerConfig, FallbackConfig, RetriesConfig
from regent_api.route import ModelRouteSpec
from regent_api.types import seconds


def errors(spec: ModelRouteSpec) -> Iterator[str]:
    """Everything of it for which a ModelRoute cannot be used."""
    if spec.fallback and FailureClass.CANCELLED in (spec.fallback.errors or []):
        yield "spec.fallback.errors: leave Cancelled out: then the caller has gone, and nobody waits"
    groups = {"timeouts": spec.timeouts, "retries": spec.retries, "circuitBreaker": spec.circuit_breaker}
    for group, stated in groups.items():
        for name, value in (stated.wire() if stated else {}).items():
            if isinstance(value, str) and seconds(value) <= 0:
                yield f"spec.{group}.{name}: must be longer than 0s; write for example 20s"


def fallback(spec: ModelRouteSpec) -> FallbackConfig:
    stated = spec.fallback.wire() if spec.fallback else {}
    filled = {**FALLBACK_DEFAULTS, **stated}
    return FallbackConfig(errors=sorted(filled["errors"]), max_attempts=filled["maxAttempts"])


def retries(spec: ModelRouteSpec) -> RetriesConfig:
    stated = spec.retries.wire() if spec.retries else {}
    return RetriesConfig.model_validate(in_seconds({**RETRY_DEFAULTS, **stated}))


def circuit_breaker(spec: ModelRouteSpec) -> BreakerConfig:
    stated = spec.circuit_breaker.wire() if spec.circuit_breaker else {}
    return BreakerConfig.model_validate(in_seconds({**BREAKER_DEFAULTS, **stated}))


def in_seconds(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Durations, which are the only strings, as seconds."""
    return {name: seconds(value) if isinstance(value, str) else value for name, value in stated.items()}
