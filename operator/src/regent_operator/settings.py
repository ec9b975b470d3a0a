"""The operator's flags. The chart writes them; `python3 -I -m regent_operator --help` explains them."""

import argparse
import ipaddress
import json
import os
import re
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regent_api.types import CLUSTER_DOMAIN
from regent_operator.engine.scope import Scope
from regent_operator.plan.inputs import Installation

RESYNC_SECONDS = 1800.0
CANARY_PORT = 9797


@dataclass(frozen=True)
class Settings:
    """`cluster_cidrs` empty: the ServiceCIDR objects are read. `watch_namespaces` empty: the whole cluster."""

    namespace: str
    runtime_image: str
    signing_keys: str
    watch_namespaces: tuple[str, ...] = ()
    cluster_cidrs: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    cluster_domain: str = CLUSTER_DOMAIN
    monitoring_namespaces: tuple[str, ...] = ()
    dns_peers: tuple[dict[str, Any], ...] | None = None
    dns_ports: tuple[int, ...] = ()
    """Empty: 53."""
    collector_url: str | None = None
    keda_url: str | None = None
    image_pull_policy: str = "IfNotPresent"
    lease_name: str = "regent-operator"
    metrics_host: str | None = None
    """None: every address of the pod, of both families; kubelet and Prometheus come from outside."""
    metrics_port: int = 9090
    canary_port: int | None = CANARY_PORT
    kubeconfig: str | None = None
    context: str | None = None
    identity: str = "regent-operator"
    workers: int = 16
    resync_seconds: float = RESYNC_SECONDS
    log_level: str = "INFO"

    @property
    def scope(self) -> Scope:
        return Scope(self.namespace, frozenset(self.watch_namespaces) or None)

    @property
    def installation(self) -> Installation:
        """As far as flags say it: issuer and keys come from the cluster."""
        base = Installation(
            namespace=self.namespace,
            runtime_image=self.runtime_image,
            issuer="",
            jwks={},
            cluster_cidrs=(*self.cluster_cidrs, *self.pod_cidrs),
            image_pull_policy=self.image_pull_policy,
            cluster_domain=self.cluster_domain,
            dns_ports=self.dns_ports or (53,),
            monitoring_namespaces=self.monitoring_namespaces,
            collector_url=self.collector_url,
            keda_url=self.keda_url,
            canary_port=self.canary_port,
        )
        if self.dns_peers is None:
            return base
        return Installation(**{**vars(base), "dns_peers": self.dns_peers})


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Exits with status 2 and a message where a flag is wrong."""
    given: dict[str, Any] = vars(_parser().parse_args(arguments))
    fixed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    return Settings(**fixed, identity=identity)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regent_operator", description="Regent's operator.", allow_abbrev=False)
    add = parser.add_argument
    add("--namespace", required=True, type=_namespace, help="the operator's own: AgentPolicies in it are the floor")
    add("--runtime-image", required=True, help="image of the agents' pods")
    add(
        "--signing-keys",
        required=True,
        metavar="FOLDER",
        help="*.pem: Ed25519 keys that agents' configs are sealed with",
    )
    add(
        "--watch-namespace",
        dest="watch_namespaces",
        type=_namespace,
        action="append",
        default=[],
        help="work in this namespace only; repeatable; absent: the whole cluster",
    )
    add(
        "--cluster-cidr",
        dest="cluster_cidrs",
        type=_cidr,
        action="append",
        default=[],
        help="range of the cluster's Services; repeatable; absent: the ServiceCIDR objects are read",
    )
    add(
        "--pod-cidr",
        dest="pod_cidrs",
        type=_cidr,
        action="append",
        default=[],
        help="range of the cluster's pods, where Local providers without a Service address lie; repeatable",
    )
    add("--cluster-domain", default=CLUSTER_DOMAIN, help="domain of the cluster's DNS")
    add(
        "--monitoring-namespace",
        dest="monitoring_namespaces",
        type=_namespace,
        action="append",
        default=[],
        help="namespace that may read the agents' metrics; repeatable",
    )
    add("--dns-peers", type=_peers, default=None, help="NetworkPolicy peers of the cluster's DNS, a JSON list")
    add(
        "--dns-port",
        dest="dns_ports",
        type=_port,
        action="append",
        default=[],
        metavar="PORT",
        help="port on which the pods of the cluster's DNS listen; repeatable; absent: 53",
    )
    add("--collector-url", default=None, help="of the audit collector; absent: there is none")
    add("--keda-url", default=None, help="of the metrics API, where KEDA scales agents; absent: KEDA does not")
    add("--image-pull-policy", choices=("IfNotPresent", "Always", "Never"), default="IfNotPresent")
    add("--lease-name", type=_subdomain, default="regent-operator", help="name of the Lease that replicas share")
    add("--metrics-host", default=None, help="address of /livez, /readyz and /metrics; absent: every one")
    add("--metrics-port", type=int, default=9090)
    add(
        "--canary-port",
        type=_canary_port,
        default=CANARY_PORT,
        metavar="PORT",
        help="agents' pods try to connect to it, which their NetworkPolicies forbid; 0: nothing is tried",
    )
    add("--kubeconfig", default=None, help="absent: the pod's ServiceAccount, else $KUBECONFIG")
    add("--context", default=None, help="context of the kubeconfig")
    add("--workers", type=int, choices=range(1, 129), metavar="N", default=16)
    add("--resync-seconds", type=float, default=RESYNC_SECONDS, help="each agent is looked at again within this time")
    add("--log-level", choices=("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO")
    return parser


def _canary_port(text: str) -> int | None:
    """The runtime tries no port below 1024."""
    if text == "0":
        return None
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 0 nor a port from 1024 to 65535")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _namespace(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a namespace")
    return text


def _subdomain(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of an object")
    return text


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _peers(text: str) -> tuple[dict[str, Any], ...]:
    try:
        peers = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(peers, list) or not all(isinstance(peer, dict) for peer in peers):
        raise argparse.ArgumentTypeError("a JSON list of NetworkPolicy peers")
    return tuple(peers)
