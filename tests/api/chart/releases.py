"""Helm releases of the chart on a real API server."""

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.charts import CHART
from tests.cluster import Cluster, command

ROOT = Path(__file__).resolve().parents[3]
CRDS = ("agentpolicies.regent.dev", "aiagents.regent.dev", "modelroutes.regent.dev")
Object = dict[str, Any]


@dataclass
class Releases:
    cluster: Cluster
    _installed: list[tuple[str, str]] = field(default_factory=list)

    def install(self, name: str, namespace: str, values: Object | None = None, *flags: str, chart: Path = CHART) -> str:
        """Helm's words. Raises command.CommandError with helm's error."""
        said = self._helm("install", name, chart, namespace, values, "--create-namespace", *flags)
        self._installed.append((name, namespace))
        return said

    def upgrade(self, name: str, namespace: str, values: Object | None = None, *flags: str, chart: Path = CHART) -> str:
        return self._helm("upgrade", name, chart, namespace, values, *flags)

    def rollback(self, name: str, namespace: str, revision: int) -> None:
        self.cluster.helm("rollback", name, str(revision), "--namespace", namespace)

    def uninstall(self, name: str, namespace: str) -> None:
        self._installed.remove((name, namespace))
        self.cluster.helm("uninstall", name, "--namespace", namespace)

    def uninstall_all(self) -> None:
        for name, namespace in [*self._installed]:
            self.uninstall(name, namespace)

    def namespace(self) -> str:
        """The name of a fresh one."""
        name = f"chart-{uuid.uuid4().hex[:8]}"
        self.cluster.kubectl("create", "namespace", name)
        return name

    def get(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        return self.cluster.reader.find(kind, name, namespace)

    def apply(self, *objects: Object) -> None:
        self.cluster.kubectl("apply", "--filename", "-", text=yaml.safe_dump_all(objects))

    def forget_crds(self) -> None:
        """As if Regent had never been here."""
        self.cluster.kubectl("delete", "crd", *CRDS, "--ignore-not-found")

    def _helm(self, verb: str, name: str, chart: Path, namespace: str, values: Object | None, *flags: str) -> str:
        given = [f"--set-json={key}={json.dumps(value)}" for key, value in (values or {}).items()]
        return self.cluster.helm(verb, name, chart, "--namespace", namespace, *given, *flags)


def agent(namespace: str, name: str = "helper") -> Object:
    return {
        "apiVersion": "regent.dev/v1alpha1",
        "kind": "AIAgent",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "instructions": {"inline": "Answer."},
            "modelRouteRef": {"name": "local"},
            "sensitivity": "Internal",
        },
    }


def refused(error: command.CommandError) -> str:
    """What helm said, on one line."""
    return " ".join(error.stderr.split())
