"""The operator as a process of its own, with exactly the permissions that the chart gives it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cluster import Cluster, Request, tools
from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "regent-system"
USER = f"system:serviceaccount:{NAMESPACE}:"
QUIET_SECONDS = 8.0
PATIENCE_SECONDS = 400.0
"""Until what should come about is given up: no test says how long something takes, and a machine may be busy."""
PERMISSIONS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
Object = dict[str, Any]


def render(cluster: Cluster, *words: str) -> list[Object]:
    """The chart's objects."""
    chart = ROOT / "charts" / "regent"
    text = cluster.helm("template", "regent", chart, "--namespace", NAMESPACE, *words)
    return [document for document in yaml.safe_load_all(text) if document]


def install_permissions(cluster: Cluster, folder: Path, *words: str) -> Path:
    """ServiceAccount and roles of the chart; a kubeconfig that speaks as that ServiceAccount."""
    cluster.kubectl("apply", "-f", "-", text=json.dumps(namespace(NAMESPACE)))
    objects = [obj for obj in render(cluster, *words) if obj["kind"] in PERMISSIONS]
    cluster.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(objects))
    account = next(
        o["metadata"]["name"]
        for o in objects
        if o["kind"] == "ServiceAccount" and "helm.sh/hook" not in (o["metadata"].get("annotations") or {})
    )
    token = cluster.kubectl("create", "token", account, "-n", NAMESPACE, "--duration", "24h").strip()
    admin = yaml.safe_load(cluster.kubeconfig.read_text())
    context = {"name": "operator", "context": {"cluster": admin["clusters"][0]["name"], "user": "operator"}}
    document = admin | {
        "contexts": [context],
        "current-context": "operator",
        "users": [{"name": "operator", "user": {"token": token}}],
    }
    path = folder / "operator.kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def namespace(name: str, labels: dict[str, str] | None = None) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}


@dataclass
class RunningOperator:
    """One replica."""

    cluster: Cluster
    kubeconfig: Path
    folder: Path
    name: str = "one"
    flags: tuple[str, ...] = ()
    server: str | None = None
    """Another address of the API server, such as a proxy's."""
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    mark: int = field(default=0)

    def start(self) -> "RunningOperator":
        assert self.cluster.audit
        self.mark = self.cluster.audit.mark()
        self.port = free_port()
        kubeconfig = self.kubeconfig
        if self.server:
            document = yaml.safe_load(kubeconfig.read_text())
            document["clusters"][0]["cluster"] = {"server": self.server}
            kubeconfig = self.folder / f"{self.name}.kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(document))
        self.process = self.cluster.spawn(
            sys.executable,
            "-I",
            "-m",
            "regent_operator",
            f"--namespace={NAMESPACE}",
            "--runtime-image=regent/runtime:test",
            f"--signing-keys={self._signing_keys()}",
            f"--kubeconfig={kubeconfig}",
            "--lease-name=regent-operator",
            "--metrics-host=127.0.0.1",
            f"--metrics-port={self.port}",
            "--canary-port=0",
            *self.flags,
            output=self.folder / f"{self.name}.log",
            environment={**self.cluster.environment, "PATH": os.environ["PATH"], "POD_NAME": self.name},
        )
        return self

    def _signing_keys(self) -> Path:
        """Beside the kubeconfig: replicas and restarts have the same, as from the chart's Secret."""
        folder = self.kubeconfig.parent / "signing-keys"
        if not folder.exists():
            folder.mkdir()
            encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
            pem = Ed25519PrivateKey.generate().private_bytes(encoding, form, serialization.NoEncryption())
            (folder / "signing.pem").write_bytes(pem)
        return folder

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """The exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metric(self, name: str) -> float:
        return sum(self.metrics(name).values())

    def metrics(self, name: str) -> dict[str, float]:
        """Value by series, as it is written: `name{label="value"}`."""
        lines = [line for line in self.page("/metrics")[1].splitlines() if line.startswith(name)]
        return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}

    @property
    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mib(self) -> float:
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def settle(self) -> None:
        """Until it has written nothing for longer than counts of a policy wait for being written."""

        def quiet() -> bool:
            mark = self.mark_now()
            time.sleep(QUIET_SECONDS)
            return not self.writes(mark)

        eventually("no writes", quiet)

    def leads(self) -> bool:
        return self.metric("regent_operator_leader") == 1.0

    def mark_now(self) -> int:
        """Where the API server's account ends now."""
        assert self.cluster.audit
        return self.cluster.audit.mark()

    def requests(self, mark: int | None = None) -> list[Request]:
        """Of every replica, since this one started or since `mark`."""
        assert self.cluster.audit
        return self.cluster.audit.since(self.mark if mark is None else mark, user=USER)

    def writes(self, mark: int | None = None) -> list[Request]:
        """All but the Lease's."""
        return [r for r in self.requests(mark) if r.is_write and r.resource != "leases"]


def eventually(what: str, holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true value of `holds`. An AssertionError of its own counts as not yet, and so does what is not there."""
    end = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < end:
        try:
            last = holds()
        except (AssertionError, LookupError, OSError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last: {last!r}")


def kubectl_path() -> Path:
    return tools.kubectl()
