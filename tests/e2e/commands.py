"""The `regent` command on the machine of the tests, as someone with kubectl uses it on the cluster."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.kube import Kube

PATIENCE_S = 120


def regent(kube: Kube, *words: str, token: str = "") -> tuple[int, str, str]:
    """Exit code, standard output and standard error; `kubectl` is on its PATH, and points to the cluster."""
    path = f"{kube.cluster.kubectl_program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-I", "-m", "regent_operator.cli.main", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**kube.cluster.environment, "PATH": path, "REGENT_TOKEN": token},
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def forwarded(kube: Kube, namespace: str, agent: str, log: Path) -> Iterator[str]:
    """The agent's address on this machine, by `kubectl port-forward`, which says where into `log`."""
    words = ("port-forward", "--namespace", namespace, f"service/{agent}", ":8080")
    client = kube.cluster.spawn(kube.cluster.kubectl_program, *words, output=log)
    try:
        kube.until("a port is forwarded", lambda: port_of(log))
        yield f"http://127.0.0.1:{port_of(log)}"
    finally:
        client.terminate()
        client.wait()


def port_of(log: Path) -> str:
    """Empty while kubectl has not said it."""
    found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", log.read_text())
    return found[1] if found else ""
