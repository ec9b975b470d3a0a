"""The collector's figures, for Prometheus. Label sets are bounded: no agents, no pods, no subjects."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._records = Counter(
            "regent_collector_records", "Records that were kept, each counted once", registry=self.registry
        )
        self._refused = Counter(
            "regent_collector_refused",
            "Calls that were refused; fork and gap: a log that does not continue the one that is kept",
            ("reason",),
            registry=self.registry,
        )
        for reason in ("token", "fork", "gap", "foreign", "malformed", "full", "disk"):
            self._refused.labels(reason)
        self._signed = Counter(
            "regent_collector_signed_records", "Records that a checkpoint covers", registry=self.registry
        )
        self._sink_errors = Counter(
            "regent_collector_sink_errors",
            "Deliveries that failed and are tried again",
            ("sink",),
            registry=self.registry,
        )

    def taken(self, count: int) -> None:
        self._records.inc(count)

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def signed(self, count: int) -> None:
        self._signed.inc(count)

    def sink_failed(self, sink: str) -> None:
        self._sink_errors.labels(sink).inc()

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A figure that is computed when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        return generate_latest(self.registry)
