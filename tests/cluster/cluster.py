"""What a test asks of a cluster, whoever provides it."""

import os
import re
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

from . import command, tools, wait
from .audit import AuditLog
from .process import running
from .reader import Reader


class Cluster(ABC):
    """A context manager: leaving it stops the cluster. `audit` is the API server's account of its requests."""

    def __init__(self, name: str, kubeconfig: Path, audit: AuditLog) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        self.audit = audit
        self.clients: list[subprocess.Popen[bytes]] = []

    @cached_property
    def api_url(self) -> str:
        """Such as https://10.210.0.2:6443."""
        view = ("config", "view", "--minify", "--output", "jsonpath={.clusters[0].cluster.server}")
        return command.run(self.kubectl_program, "--kubeconfig", self.kubeconfig, *view)

    @property
    def audit_log(self) -> Path:
        return self.audit.file

    @property
    def environment(self) -> dict[str, str]:
        """For programs that shall talk to this cluster, and directly: its addresses are behind no proxy."""
        host = self.api_url.partition("://")[2].partition(":")[0]
        direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), host)))
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "NO_PROXY": direct, "no_proxy": direct}

    def kubectl(self, *words: str | Path, text: str | None = None, timeout: float = command.PATIENCE_S) -> str:
        """Its standard output; `text` is its standard input. Raises CommandError with kubectl's own message."""
        return command.run(self.kubectl_program, *words, text=text, env=self.environment, timeout=timeout)

    @property
    def kubectl_program(self) -> Path:
        return tools.kubectl()

    def helm(self, *words: str | Path, timeout: float = 300) -> str:
        return command.run(tools.helm(), *words, env=self.environment, timeout=timeout)

    @cached_property
    def reader(self) -> Reader:
        """For looking often, as the admin; for what a person would see use `kubectl`."""
        with tempfile.TemporaryDirectory() as folder:
            said = Path(folder) / "port"
            self.spawn(self.kubectl_program, "proxy", "--port=0", output=said)
            wait.until("kubectl proxy serves", lambda: _port(said), command.PATIENCE_S)
            return Reader(_port(said))

    def spawn(
        self, *words: str | Path, output: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A client that runs beside the test (an operator, a port-forward). It is ended before the cluster is.

        `output` takes what it says, on both streams; `environment` adds to that of this process and KUBECONFIG.
        """
        with (output or Path(os.devnull)).open("ab") as sink:
            client = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**self.environment, **(environment or {})},
                start_new_session=True,
            )
        self.clients.append(client)
        return client

    def end_clients(self) -> None:
        for client in self.clients:
            if client.poll() is None:
                running(client.pid).end(patience=3)
            client.wait()

    @abstractmethod
    def exec(self, *words: str | Path, timeout: float = 60) -> str:
        """Standard output of a program run on the node."""

    @abstractmethod
    def logs(self, component: str) -> str:
        """Of `kube-apiserver`, `kubelet`, `containerd`, ... ; for a pod's use kubectl."""

    @abstractmethod
    def load_image(self, archive: Path) -> None:
        """Makes the images of an OCI or docker archive known to the node."""

    @abstractmethod
    def stop(self) -> None:
        """Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _port(said: Path) -> int:
    """0 while the proxy has not said it."""
    found = re.search(r"Starting to serve on 127\.0\.0\.1:(\d+)\n", said.read_text())
    return int(found[1]) if found else 0
