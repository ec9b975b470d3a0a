"""`make bench-policy`: from `kubectl apply` of a policy edit until the last pod of each agent enforces it.

20 agents of 2 pods on the tests' own node, the chart's defaults. The clock starts before kubectl does; a pod's moment is
the line that it logs when new turns take the new config, by the same machine's clock: in that step its echo changes, too.
(When the operator has asked for the echo is later, and is the status', not enforcement.) No pod may restart.

Two figures: each agent's last pod, over all agents and rounds; and the last of all pods, one value a round.

The baseline is what a mounted ConfigMap costs without Regent, in the same run and the same pods: a bare client patches
the 20 ConfigMaps and touches the 40 pods while the operator is away, and each pod logs that it refuses what came.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regent_operator.engine.access import from_kubeconfig
from regent_operator.engine.client import ApiClient
from regent_operator.engine.resources import CONFIG_MAPS, PODS
from tests import cluster
from tests.cluster import images, wait
from tests.e2e import manifests
from tests.e2e.kube import Kube, Object

AGENTS, REPLICAS = 20, 2
ROUNDS = 10
QUIET_SECONDS = 6.0
PATIENCE_SECONDS = 900.0
SYSTEM, NAMESPACE = "regent-system", "bench"
CHART = Path(__file__).resolve().parents[2] / "charts" / "regent"
NAMES = [f"agent-{number:02}" for number in range(AGENTS)]
SMALL = {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}
"""The default of 50m for each pod does not fit on two cores beside all else."""


class NobodyCounts:
    def request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """The baseline's requests are nobody's figures."""


def install(kube: Kube) -> None:
    words = ("upgrade", "--install", "regent", CHART, "--namespace", SYSTEM, "--create-namespace")
    kube.cluster.helm(*words, "--wait", "--timeout", "180s", timeout=200)
    kube.apply(manifests.namespace(NAMESPACE), *manifests.standin("cloud", NAMESPACE))
    cloud = manifests.provider("cloud", f"cloud.{NAMESPACE}.svc")
    scaling = {"replicas": REPLICAS}
    agents = [manifests.agent(name, NAMESPACE, "route", scaling=scaling, workload=SMALL) for name in NAMES]
    kube.apply(manifests.route("route", NAMESPACE, [cloud]), policy(1000), *agents)
    wait.until("every agent serves with all its pods", lambda: all_serve(kube), PATIENCE_SECONDS, step=2)


def policy(tokens: int) -> Object:
    return manifests.policy("house", NAMESPACE, selector={}, size={"maxOutputTokens": tokens})


def all_serve(kube: Kube) -> bool:
    found = kube.all_of("aiagents", NAMESPACE)
    return [agent.get("status", {}).get("enforced") for agent in found] == [f"{REPLICAS}/{REPLICAS}"] * AGENTS


def pods(kube: Kube) -> dict[str, tuple[str, str, int]]:
    """Name -> agent, uid, restarts."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["labels"]["regent.dev/agent"],
            pod["metadata"]["uid"],
            pod["status"]["containerStatuses"][0]["restartCount"],
        )
        for pod in kube.all_of("pods", NAMESPACE, "regent.dev/agent")
    }


def logged(kube: Kube, event: str, since: float) -> dict[str, float]:
    """Pod -> when it first logged the event after a moment."""
    words = ("logs", "--namespace", NAMESPACE, "--selector", "regent.dev/agent", "--prefix", "--tail=-1")
    begin = datetime.fromtimestamp(since - 1, UTC).isoformat(timespec="seconds")
    lines = kube(*words, f"--since-time={begin}", "--max-log-requests=100").splitlines()
    found: dict[str, float] = {}
    for line in lines:
        source, _, text = line.partition("] ")
        entry: dict[str, Any] = json.loads(text)
        if entry["event"] == event and entry["time"] >= since:
            found.setdefault(source.split("/")[1], entry["time"])
    return found


def slowest_pods(kube: Kube, event: str, began: float) -> list[float]:
    """For each agent, seconds until its last pod logged the event; asked late, so that asking slows nobody down."""
    agent_of = {name: agent for name, (agent, _, _) in pods(kube).items()}
    time.sleep(QUIET_SECONDS)
    seen: dict[str, float] = {}

    def everywhere() -> bool:
        seen.update(logged(kube, event, began))
        return seen.keys() >= agent_of.keys()

    wait.until(f"every pod says {event}", everywhere, PATIENCE_SECONDS, step=2)
    last: dict[str, float] = defaultdict(float)
    for name, moment in seen.items():
        last[agent_of[name]] = max(last[agent_of[name]], moment - began)
    return list(last.values())


def edits(kube: Kube) -> list[float]:
    taken = []
    for number in range(ROUNDS):
        began = time.time()
        kube.apply(policy(100 + number))
        taken += slowest_pods(kube, "config", began)
        sys.stderr.write(f"edit {number + 1} of {ROUNDS}: {max(taken[-AGENTS:]):.2f} s at the slowest agent\n")
    return taken


def baseline(kube: Kube) -> list[float]:
    taken = []
    kube("delete", "validatingadmissionpolicybinding", f"regent-children.{SYSTEM}")  # a bare client may not write here
    with operator_away(kube):
        for number in range(ROUNDS):
            began = time.time()
            asyncio.run(write_by_hand(kube, number))
            taken += slowest_pods(kube, "config_refused", began)
    return taken


async def write_by_hand(kube: Kube, number: int) -> None:
    """As a bare client would bring another ConfigMap into running pods. Each time they refuse it in other words."""
    bad = {"agent.json": "{}", "agent.seal.json": None if number % 2 else "{}"}
    mark = {"metadata": {"annotations": {"bench": str(number)}}}
    async with ApiClient(from_kubeconfig(kube.cluster.kubeconfig), NobodyCounts()) as client:
        await asyncio.gather(*(client.merge(CONFIG_MAPS, NAMESPACE, name, {"data": bad}) for name in NAMES))
        await asyncio.gather(*(client.merge(PODS, NAMESPACE, name, mark) for name in pods(kube)))


@contextmanager
def operator_away(kube: Kube) -> Iterator[None]:
    scale = ("scale", "deployment/regent-operator", "--namespace", SYSTEM)
    kube(*scale, "--replicas=0")
    labels = "app.kubernetes.io/name=regent-operator"
    wait.until("the operator is away", lambda: not kube.all_of("pods", SYSTEM, labels), PATIENCE_SECONDS, step=1)
    try:
        yield
    finally:
        kube(*scale, "--replicas=2")


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def run(kube: Kube) -> dict[str, Any]:
    install(kube)
    before = pods(kube)
    time.sleep(QUIET_SECONDS)
    taken = edits(kube)
    if pods(kube) != before:
        raise RuntimeError("pods were replaced or restarted")
    bare = baseline(kube)
    found = {"agents": AGENTS, "replicas": REPLICAS, "rounds": ROUNDS}
    for name, values in (("regent", taken), ("bare", bare)):
        found[name] = {"agent": figures(values), "round": figures(of_rounds(values))}
    return found


def figures(values: list[float]) -> dict[str, float]:
    return {f"p{share}": percentile(values, share) for share in (50, 99)} | {"max": max(values)}


def of_rounds(values: list[float]) -> list[float]:
    """Each round's slowest agent: when the last of all pods enforced the edit."""
    return [max(values[at : at + AGENTS]) for at in range(0, len(values), AGENTS)]


def lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{'edit to enforced, s':34}{'regent':>12}{'bare client':>12}{'ratio':>12}{'goal':>12}"
    for of, title in (("agent", "an agent's last pod"), ("round", "the last of all pods")):
        for figure, goal in (("p50", ""), ("p99", "<= 2"), ("max", "")):
            regent, bare = found["regent"][of][figure], found["bare"][of][figure]
            yield f"{f'{title}, {figure}':34}{regent:>12.2f}{bare:>12.2f}{regent / bare:>12.2f}{goal:>12}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a policy edit, from kubectl to every pod.")
    parser.add_argument("--json", type=Path, default=Path("build/bench-policy.json"))
    target: Path = parser.parse_args().json
    ours = [images.regent(name) for name in ("operator", "runtime")]
    with cluster.node("bench", images=[images.python_base(), *ours]) as node:
        found = run(Kube(node))
    sys.stdout.writelines(f"{line}\n" for line in lines(found))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    sys.stderr.write(f"written to {target}\n")


if __name__ == "__main__":
    main()
