"""The operator's own figures, for Prometheus. Label sets are bounded: no object names."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

WRITES = frozenset({"POST", "PUT", "PATCH", "APPLY", "MERGE", "DELETE"})


class Metrics:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self._now = now
        self.requests = Counter(
            "regent_operator_requests",
            "Requests to the API server and to pods; code 0: no answer",
            ("verb", "resource", "code"),
            registry=self.registry,
        )
        self.writes = Counter(
            "regent_operator_writes", "Writes to the API server", ("resource",), registry=self.registry
        )
        self.reconcile_seconds = Histogram(
            "regent_operator_reconcile_seconds",
            "Time of one reconcile",
            ("kind",),
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.errors = Counter(
            "regent_operator_reconcile_errors",
            "Reconciles that failed and will be tried again",
            ("kind", "reason"),
            registry=self.registry,
        )
        self.healed = Counter(
            "regent_operator_drift_healed",
            "Children that were changed by another's hand and put right",
            ("resource",),
            registry=self.registry,
        )
        self.last_success = Gauge(
            "regent_operator_last_success_timestamp_seconds",
            "When a reconcile last succeeded",
            ("kind",),
            registry=self.registry,
        )

        self.trials = Counter(
            "regent_operator_network_trials",
            "Forbidden connections that agents' pods were asked to try, by what they showed of their NetworkPolicy",
            ("wall",),
            registry=self.registry,
        )

    def request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Count a request of the client."""
        del seconds
        self.requests.labels(verb, resource, str(status)).inc()
        if verb in WRITES:
            self.writes.labels(resource).inc()

    def tried(self, wall: str) -> None:
        """Count a trial of a pod's NetworkPolicy."""
        self.trials.labels(wall).inc()

    def succeeded(self, kind: str) -> None:
        self.last_success.labels(kind).set(self._now())

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A figure that is computed when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        return generate_latest(self.registry)
