"""`make bench-operator`: what agents cost the operator, on a real API server and etcd, beside a bare client.

Pods are the fake kubelet's: they become ready and echo honestly. For each number of agents (AGENTS="100 1000") a cluster of
its own, with a floor, 50 policies and 20 routes in ten namespaces. The agents are there before the operator is:

- start: the CPU that an operator takes before it has an agent;
- creation: from the operator's first write of a child to its last, beside a bare client that applies the same bodies, as
  many at a time, in the same cluster afterwards; CPU beyond that of a start, memory, and the requests by the API server's
  own account;
- an edit of the floor: until the last config is written, and until every agent is Ready under it;
- a restart, and a resync every few seconds: nothing but the Lease is written.

Times are this machine's on this day. Requests, and how figures grow with the number of agents, are not.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from regent_operator.engine.access import from_kubeconfig
from regent_operator.engine.client import ApiClient
from regent_operator.engine.resources import AGENTS, CHILD_BY_KIND, CHILDREN, DISRUPTION_BUDGETS, OURS, POLICIES
from tests import cluster
from tests.api.conftest import CONTROLLERS
from tests.api.fake_kubelet import FakeKubelet, NobodyCounts
from tests.api.operator_fixtures import agent, policy, route
from tests.api.running_operator import NAMESPACE, RunningOperator, install_permissions, namespace
from tests.cluster import Cluster, Request

NAMESPACES = [f"team-{number}" for number in range(10)]
POLICIES_EACH, ROUTES_EACH = 5, 2
WORKERS = 16
RESYNC_SECONDS = 10
QUIET_SECONDS = 5.0
PATIENCE_SECONDS = 3600.0
GOALS = {"ratio": "<= 1.15", "cpu_ms": "<= 4", "resident_mib": "<= 120 at 5000", "restart_seconds": "<= 15"}
CRDS = Path(__file__).resolve().parents[2] / "crds"
Object = dict[str, Any]


@dataclass
class Bench:
    """One cluster with so many agents."""

    cluster: Cluster
    operator: RunningOperator
    agents: int

    def lists(self, resource: Any, labels: str | None = None) -> list[Object]:
        async def listed() -> list[Object]:
            async with self.client() as client:
                return (await client.list(resource, labels=labels)).items

        return asyncio.run(listed())

    def client(self) -> ApiClient:
        return ApiClient(from_kubeconfig(self.cluster.kubeconfig), NobodyCounts())

    def all_ready(self) -> bool:
        return sum(map(_is_ready, self.lists(AGENTS))) == self.agents

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(what)
            time.sleep(0.5)

    def until_quiet(self) -> None:
        """Until the operator has asked for nothing but its Lease for a while."""
        while True:
            mark = self.operator.mark_now()
            time.sleep(QUIET_SECONDS)
            if not [r for r in self.operator.requests(mark) if r.resource != "leases"]:
                return


def objects(agents: int) -> Iterator[Object]:
    """All that people apply, agents last."""
    yield policy("floor", selector={}, models={"localHosts": ["*.svc"]}, size={"maxOutputTokens": 1000}) | _in(
        NAMESPACE, "floor"
    )
    for space in NAMESPACES:
        for number in range(POLICIES_EACH):
            made = policy(f"p{number}", selector={}, size={"maxInputTokens": 4000 + number})
            yield made | _in(space, f"p{number}")
        for number in range(ROUTES_EACH):
            yield route(f"r{number}") | _in(space, f"r{number}")
    for number in range(agents):
        space, name = NAMESPACES[number % len(NAMESPACES)], f"a{number:05}"
        made = agent(name, scaling={"replicas": 1}, modelRouteRef={"name": f"r{number // 10 % ROUTES_EACH}"})
        yield made | _in(space, name)


def start(bench: Bench) -> float:
    """CPU seconds of an operator that has nothing to do; it is stopped again."""
    bench.operator.start()
    bench.wait("it leads", bench.operator.leads)
    bench.until_quiet()
    spent = bench.operator.cpu_seconds
    bench.operator.stop()
    return spent


def creation(bench: Bench, start_cpu_seconds: float) -> Object:
    mark = bench.operator.mark_now()
    bench.wait("every agent is Ready", bench.all_ready)
    spent, resident = bench.operator.cpu_seconds - start_cpu_seconds, bench.operator.resident_mib
    bench.until_quiet()
    asked = bench.operator.requests(mark)
    children = [r for r in asked if r.verb == "patch" and r.resource in {c.plural for c in CHILDREN}]
    return {
        "seconds": _span(children),
        "ready_seconds": _span([r for r in asked if r.is_write and r.resource == "aiagents"]),
        "start_cpu_seconds": start_cpu_seconds,
        "cpu_ms": spent * 1000 / bench.agents,
        "resident_mib": resident,
        "requests": _per_agent(asked, bench.agents),
        "unexpected": {c.plural: n for c, n in _child_writes(children).items() if n != _expected(c, bench.agents)},
    }


def bare(bench: Bench) -> float:
    """Seconds in which a bare client applies the same bodies under other names; the operator is away."""
    bodies = [_bare(obj, child.kind) for child in CHILDREN for obj in bench.lists(child, OURS)]
    by_agent: dict[tuple[str, str], list[Object]] = {}
    for body in bodies:
        by_agent.setdefault((body["metadata"]["namespace"], body["metadata"]["name"]), []).append(body)

    async def write() -> float:
        waiting = iter(by_agent.values())

        async def work(client: ApiClient) -> None:
            for group in waiting:
                for body in group:
                    await client.apply(CHILD_BY_KIND[body["kind"]], body)

        async with bench.client() as client:
            began = time.monotonic()
            await asyncio.gather(*(work(client) for _ in range(WORKERS)))
            return time.monotonic() - began

    return asyncio.run(write())


def floor_edit(bench: Bench) -> Object:
    mark, cpu = bench.operator.mark_now(), bench.operator.cpu_seconds
    patch = json.dumps({"spec": {"size": {"maxOutputTokens": 500}}})
    bench.cluster.kubectl("patch", POLICIES.plural, "floor", "-n", NAMESPACE, "--type=merge", "-p", patch)
    bench.wait("every config is written", lambda: len(_configs(bench, mark)) >= bench.agents)
    bench.wait("every agent is Ready", bench.all_ready)
    bench.until_quiet()
    asked = bench.operator.requests(mark)
    edit = next(r for r in bench.cluster.audit.since(mark) if r.resource == POLICIES.plural and r.verb == "patch")
    configs = _configs(bench, mark)
    seconds = _span([edit, *configs])
    return {
        "config_seconds": seconds,
        "agents_per_second": bench.agents / seconds,
        "told_seconds": _span([edit, *(r for r in asked if r.resource == "aiagents" and r.is_write)]),
        "cpu_ms": (bench.operator.cpu_seconds - cpu) * 1000 / bench.agents,
        "requests": _per_agent(asked, bench.agents),
        "writes_before_the_last_config": _before_the_last(asked),
    }


def restart(bench: Bench) -> Object:
    """With nothing changed, and then a resync of everything again and again."""
    bench.operator.stop()
    bench.operator.flags = (f"--resync-seconds={RESYNC_SECONDS}",)
    mark, began = bench.operator.mark_now(), time.monotonic()
    bench.operator.start()
    bench.wait("it leads", bench.operator.leads)
    bench.wait("nothing is due", lambda: bench.operator.metric("regent_operator_queue_depth") == 0)
    seconds = time.monotonic() - began
    restarted = bench.operator.writes(mark)
    mark, cpu = bench.operator.mark_now(), bench.operator.cpu_seconds
    time.sleep(3 * RESYNC_SECONDS)
    return {
        "restart_seconds": seconds,
        "restart_writes": len(restarted),
        "resync_writes": len(bench.operator.writes(mark)),
        "resync_cpu_ms_per_look": (bench.operator.cpu_seconds - cpu) * 1000 / bench.agents / 3,
    }


def run(agents: int) -> Object:
    with (
        tempfile.TemporaryDirectory() as scratch,
        cluster.control_plane("bench-operator", controllers=CONTROLLERS) as c,
    ):
        c.kubectl("apply", "--server-side", "--filename", CRDS)
        c.kubectl("wait", "--for", "condition=Established", "--timeout", "60s", "--filename", CRDS)
        credentials = install_permissions(c, Path(scratch))
        c.kubectl("apply", "-f", "-", text=yaml.safe_dump_all([namespace(name) for name in NAMESPACES]))
        bench = Bench(c, RunningOperator(c, credentials, Path(scratch), "bench"), agents)
        start_cpu_seconds = start(bench)
        text = yaml.safe_dump_all(objects(agents))
        c.kubectl("apply", "--server-side", "-f", "-", text=text, timeout=PATIENCE_SECONDS)
        with FakeKubelet(c.kubeconfig):
            bench.operator.start()
            try:
                found = {"agents": agents, "creation": creation(bench, start_cpu_seconds)}
                found["floor_edit"] = floor_edit(bench)
                found |= restart(bench)
            finally:
                bench.operator.stop()
            found["bare_seconds"] = bare(bench)
        found["ratio"] = found["creation"]["seconds"] / found["bare_seconds"]
        return found


def exponents(runs: list[Object]) -> Object:
    """How figures grow with the number of agents, from the first run to the last: 1 is in proportion."""
    if len(runs) < 2:
        return {}
    first, last = runs[0], runs[-1]
    grown = math.log(last["agents"] / first["agents"])

    def exponent(of: Callable[[Object], float]) -> float:
        return math.log(of(last) / of(first)) / grown

    return {
        "creation_seconds": exponent(lambda run: run["creation"]["seconds"]),
        "creation_cpu": exponent(lambda run: run["creation"]["cpu_ms"] * run["agents"]),
        "edit_seconds": exponent(lambda run: run["floor_edit"]["config_seconds"]),
        "resident": exponent(lambda run: run["creation"]["resident_mib"]),
    }


def _in(space: str, name: str) -> Object:
    return {"metadata": {"name": name, "namespace": space, "labels": {"team": "support"}}}


def _is_ready(obj: Object) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any((c["type"], c["status"], c["reason"]) == ("Ready", "True", "Ready") for c in conditions)


def _bare(obj: Object, kind: str) -> Object:
    meta = obj["metadata"]
    kept = {name: value for name, value in obj.items() if name not in {"status", "metadata", "kind", "apiVersion"}}
    about = {"name": f"bare-{meta['name']}", "namespace": meta["namespace"], "labels": meta["labels"]}
    resource = CHILD_BY_KIND[kind]
    if "clusterIP" in kept.get("spec", {}):
        kept["spec"] = {name: value for name, value in kept["spec"].items() if not name.startswith("clusterIP")}
    return {"apiVersion": resource.api_version, "kind": kind, "metadata": about, **kept}


def _span(requests: list[Request]) -> float:
    times = sorted(datetime.fromisoformat(request.at) for request in requests)
    return (times[-1] - times[0]).total_seconds()


def _per_agent(requests: list[Request], agents: int) -> dict[str, float]:
    named = (f"{r.verb} {r.resource}{'/' + r.subresource if r.subresource else ''}" for r in requests)
    counted = Counter(name for name in named if "leases" not in name)
    return {name: round(number / agents, 3) for name, number in sorted(counted.items())}


def _child_writes(writes: list[Request]) -> dict[Any, int]:
    return {child: sum(write.resource == child.plural for write in writes) for child in CHILDREN}


def _expected(child: Any, agents: int) -> int:
    """Each child is written once; agents of one pod have no PodDisruptionBudget."""
    return 0 if child == DISRUPTION_BUDGETS else agents


def _configs(bench: Bench, mark: int) -> list[Request]:
    return [r for r in bench.operator.requests(mark) if r.resource == "configmaps" and r.verb == "patch"]


def _before_the_last(asked: list[Request]) -> dict[str, int]:
    last = max(r.at for r in asked if r.resource == "configmaps" and r.verb == "patch")
    return dict(Counter(r.resource for r in asked if r.is_write and r.resource != "leases" and r.at <= last))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what agents cost the operator.")
    parser.add_argument("--agents", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--json", type=Path, default=Path("build/bench-operator.json"))
    asked = parser.parse_args()
    runs = []
    for agents in asked.agents:
        runs.append(run(agents))
        sys.stdout.write(json.dumps(runs[-1], indent=1) + "\n")
    found = {"runs": runs, "growth": exponents(runs), "goals": GOALS}
    sys.stdout.write(json.dumps(found["growth"]) + "\n")
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
