"""The flags. The chart writes them; `python3 -I -m regent_operator.metrics_api --help` explains them."""

import argparse
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Settings:
    namespace: str
    service: str
    watch_namespaces: tuple[str, ...]
    host: str | None
    """None: every address of the pod, of both families."""
    port: int
    status_port: int
    kubeconfig: str | None
    serve: Literal["custom-metrics", "keda"] = "custom-metrics"
    pod: str = field(default_factory=socket.gethostname)
    """Its name: what its host is called, and stays when its container starts again."""

    @property
    def scope(self) -> tuple[str | None, ...]:
        """The namespaces to watch; None: all."""
        return self.watch_namespaces or (None,)


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Exits with status 2 and a message where a flag is wrong."""
    given = vars(_parser().parse_args(arguments))
    return Settings(**{**given, "watch_namespaces": tuple(given["watch_namespaces"])})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="regent_operator.metrics_api",
        description="Serves the active conversations of agents' pods, to autoscalers or to KEDA.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--namespace", required=True, help="namespace of the Service that leads here")
    add("--service", default="regent-metrics-api", help="name of that Service")
    add("--watch-namespace", dest="watch_namespaces", action="append", default=[], help="repeatable; absent: all")
    add(
        "--serve",
        choices=("custom-metrics", "keda"),
        default="custom-metrics",
        help="custom.metrics.k8s.io by HTTPS to the API server alone, or an agent's sum by HTTP to KEDA's pods",
    )
    add("--host", default=None)
    add("--port", type=int, default=6443)
    add("--status-port", type=int, default=9090)
    add("--kubeconfig", default=None, help="absent: the pod's ServiceAccount, else $KUBECONFIG")
    return parser
