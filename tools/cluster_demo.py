"""`make cluster-demo`: what `make demo` shows, on a Kubernetes cluster, installed by the Helm chart.

The cluster is the one that REGENT_TEST_KUBECONFIG names, else kind's where a Docker engine answers, else a node of our
own (which needs root, and is built on its first use). The commands are the guide's, docs/guides/quickstart.md. KEEP=1:
stays up.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conversation import DemoFailed, Stage, out, play, say

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import cluster  # noqa: E402 - the tests' clusters are a package beside the tools
from tests.cluster import images, tools  # noqa: E402
from tests.guides import commands  # noqa: E402

NAMESPACE, AGENT = "quickstart", "helper"
STEP_SECONDS = 600.0
FORWARD_SECONDS = 60.0


def main() -> None:
    os.chdir(ROOT)
    try:
        say("building the images and bringing up a cluster (the first time, both take minutes)")
        ours = [images.regent(name) for name in ("operator", "runtime", "demo-model")]
        with cluster.node("demo", images=ours) as node:
            demonstrate(node)
    except (DemoFailed, cluster.CommandError, TimeoutError) as failure:
        sys.exit(f"the demo failed: {failure}")
    except KeyboardInterrupt:
        say("ended")


def demonstrate(node: cluster.Cluster) -> None:
    install, apply, *_ = commands("quickstart.md", "On a cluster")
    run(node, install)
    begun = time.monotonic()
    run(node, apply)
    say(f"Ready {time.monotonic() - begun:.1f} s after the manifests were applied")
    with forwarded(node) as endpoint:
        stage = Stage(endpoint, token(node, "visitor"), token(node, "stranger"))
        out(
            f"\nendpoint   http://{AGENT}.{NAMESPACE}.svc:8080, forwarded to {endpoint}\ntoken      {stage.visitor}\n\n"
        )
        play(stage, begun, "the manifests were applied")
        if os.environ.get("KEEP") == "1":
            stay(node, stage)


def run(node: cluster.Cluster, block: str) -> None:
    """A block of the guide, shown as it is run. Raises DemoFailed."""
    out("".join(f"$ {line}\n" for line in block.splitlines()))
    done = subprocess.run(  # noqa: S603 - the guide's own commands
        ["/bin/bash", "-euo", "pipefail", "-c", block],
        env={**node.environment, "PATH": f"{programs(node)}:{os.environ['PATH']}"},
        timeout=STEP_SECONDS,
        check=False,
    )
    if done.returncode:
        raise DemoFailed(f"{block}ended with code {done.returncode}")


def programs(node: cluster.Cluster) -> str:
    """Where kubectl and helm are."""
    return f"{node.kubectl_program.parent}:{tools.helm().parent}"


def token(node: cluster.Cluster, caller: str) -> str:
    audience = f"regent.dev/{NAMESPACE}/{AGENT}"
    return node.kubectl("create", "token", caller, "--namespace", NAMESPACE, "--audience", audience).strip()


@contextmanager
def forwarded(node: cluster.Cluster) -> Iterator[str]:
    """A loopback URL of the agent's Service. Raises DemoFailed."""
    words = ("port-forward", "--namespace", NAMESPACE, f"service/{AGENT}", ":8080")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "port-forward"
        forward = node.spawn(node.kubectl_program, *words, output=log)
        try:
            end = time.monotonic() + FORWARD_SECONDS
            while not (port := re.search(r"Forwarding from 127\.0\.0\.1:([0-9]+)", log.read_text())):
                if forward.poll() is not None or time.monotonic() > end:
                    raise DemoFailed(f"port-forward: {log.read_text()}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port[1]}"
        finally:
            forward.terminate()
            forward.wait()


def stay(node: cluster.Cluster, stage: Stage) -> None:
    out(f"export KUBECONFIG={node.kubeconfig} PATH={programs(node)}:$PATH\n")
    out(f"export REGENT_ENDPOINT={stage.endpoint} REGENT_TOKEN={stage.visitor}\n")
    say("Ctrl-C ends all")
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
