"""Clusters that are not ours to make: one that the environment names, and kind's where a Docker engine answers.

The first was used by hand for most of tests/e2e. kind never ran on the machines this was made on.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import command, config
from .audit import AuditLog
from .cluster import Cluster

GIVEN = "REGENT_TEST_KUBECONFIG"
LOADER = "REGENT_TEST_LOAD_IMAGE"
AUDIT_LOG = "REGENT_TEST_AUDIT_LOG"
KIND_START_S = 600


class NotOffered(Exception):  # noqa: N818
    """A cluster that somebody gave has no such way in; the tests that need it want a node of our own."""


class Given(Cluster):
    """Whatever the kubeconfig of the environment names. It is never stopped, and only its API is reached."""

    def __init__(self, kubeconfig: Path) -> None:
        # Where the environment does not say where the log is, reading it raises FileNotFoundError.
        super().__init__("given", kubeconfig, AuditLog(Path(os.environ.get(AUDIT_LOG, "/nonexistent/audit.log"))))

    def exec(self, *words: str | Path, timeout: float = 60) -> str:
        raise NotOffered(f"no way onto the nodes of {self.kubeconfig}: cannot run {words[0]}")

    def logs(self, component: str) -> str:
        raise NotOffered(f"no way to the logs of {component}")

    def load_image(self, archive: Path) -> None:
        """By the command that REGENT_TEST_LOAD_IMAGE names, with the archive as its last word."""
        loader = os.environ.get(LOADER)
        if not loader:
            raise NotOffered(f"set {LOADER} to a command that loads an image archive into {self.kubeconfig}")
        command.run(*loader.split(), archive, timeout=600)

    def stop(self) -> None:
        self.end_clients()


class Kind(Given):
    """A kind cluster of one node, whose API server writes the same audit log as ours."""

    def __init__(self, name: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="regent-kind-")
        folder = Path(self._folder.name)
        super().__init__(folder / "kubeconfig")
        self.name = f"regent-{name}-{os.getpid()}"
        self.audit = AuditLog(folder / "audit" / "audit.log")
        (folder / "audit").mkdir()
        (folder / "audit" / "policy.json").write_text(json.dumps(config.audit_policy()))
        (folder / "kind.json").write_text(json.dumps(_kind_config(folder / "audit")))
        create = (
            "create",
            "cluster",
            "--name",
            self.name,
            "--kubeconfig",
            self.kubeconfig,
            "--config",
            folder / "kind.json",
        )
        command.run("kind", *create, "--wait", f"{KIND_START_S}s", timeout=KIND_START_S + 60)

    def exec(self, *words: str | Path, timeout: float = 60) -> str:
        return command.run("docker", "exec", f"{self.name}-control-plane", *words, timeout=timeout)

    def logs(self, component: str) -> str:
        if component in {"kubelet", "containerd"}:
            return self.exec("journalctl", "--no-pager", "--unit", component)
        return self.kubectl("--namespace", "kube-system", "logs", "--selector", f"component={component}", "--tail=-1")

    def load_image(self, archive: Path) -> None:
        command.run("kind", "load", "image-archive", archive, "--name", self.name, timeout=600)

    def stop(self) -> None:
        super().stop()
        command.run("kind", "delete", "cluster", "--name", self.name, timeout=120)
        self._folder.cleanup()


def given() -> Cluster | None:
    kubeconfig = os.environ.get(GIVEN)
    return Given(Path(kubeconfig)) if kubeconfig else None


def by_kind(name: str, images: Sequence[Path]) -> Cluster | None:
    """None where kind or a Docker engine is missing."""
    if not kind_answers():
        return None
    cluster = Kind(name)
    for archive in images:
        cluster.load_image(archive)
    return cluster


def kind_answers() -> bool:
    return shutil.which("kind") is not None and engine_answers()


def engine_answers() -> bool:
    if not shutil.which("docker"):
        return False
    try:
        command.run("docker", "info", timeout=10)
    except (command.CommandError, subprocess.TimeoutExpired):
        return False
    return True


def _kind_config(audit: Path) -> dict[str, object]:
    inside = "/var/log/regent-audit"
    arguments = {
        "audit-policy-file": f"{inside}/policy.json",
        "audit-log-path": f"{inside}/audit.log",
        "audit-log-maxsize": "4000",
    }
    volume = {"name": "audit", "hostPath": inside, "mountPath": inside, "readOnly": False, "pathType": "Directory"}
    patch = {"kind": "ClusterConfiguration", "apiServer": {"extraArgs": arguments, "extraVolumes": [volume]}}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {
                "role": "control-plane",
                "extraMounts": [{"hostPath": str(audit), "containerPath": inside}],
                "kubeadmConfigPatches": [json.dumps(patch)],
            }
        ],
    }
