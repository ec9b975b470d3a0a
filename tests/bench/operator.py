"""`make bench-operator`: what agents cost the operator, on a real API server and etcd, beside a bare client.

Pods are the fake kubelet's: they become ready and echo honestly. For each number of agents (AGENTS="100 1000") a cluster of
its own, with a floor, 50 policies and 20 routes in ten namespaces. The agents are there before the operator is:

- start: the CPU that an operator takes before it has an agent;
- creation: from the operator's first write of a child to its last, beside a bare client that applies the same bodies, as
  many at a time, in the same cluster afterwards; CPU beyond that of a start, memory, and the requests by the API server's
  own account;
- an edit of the floor: until the last config is written, and until every agent is Ready under it;
- twenty agents edited a second, each of them once: from each edit until its config is written and its agent Ready under it;
- a restart, with its CPU and memory, and a resync of everything: nothing but the Lease is written.

Times are this machine's on this day, and so is what the fake kubelet costs, which shares its processors. Requests, and how
figures grow with the number of agents, are not: what differs from the numbers of `expected.py` stands under `unexpected`,
and the program ends with 1.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from regent_operator.engine.access import from_kubeconfig
from regent_operator.engine.client import ApiClient
from regent_operator.engine.resources import AGENTS, BY_KIND, CHILD_BY_KIND, CHILDREN, OURS, POLICIES
from tests import cluster
from tests.api.conftest import CONTROLLERS
from tests.api.fake_kubelet import FakeKubelet, NobodyCounts
from tests.api.operator_fixtures import agent, policy, route
from tests.api.running_operator import NAMESPACE, RunningOperator, install_permissions, namespace
from tests.bench import expected, paced
from tests.bench.account import Account, Where, is_ready
from tests.cluster import Cluster, Request

NAMESPACES = [f"team-{number}" for number in range(10)]
POLICIES_EACH, ROUTES_EACH = 5, 2
EDITS_PER_SECOND = 20
RESYNC_SECONDS = 10.0
LOOKS_PER_SECOND = 50
"""At a resync, so that a look at rest is measured and not a queue."""
QUIET_SECONDS = 5.0
PATIENCE_SECONDS = 3600.0
GOALS = {"ratio": "<= 1.15", "cpu_ms": "<= 4", "resident_mib": "<= 120 at 5000", "restart_seconds": "<= 15"}
CRDS = Path(__file__).resolve().parents[2] / "crds"
Object = dict[str, Any]
T = TypeVar("T")


@dataclass
class Bench:
    """One cluster with so many agents."""

    cluster: Cluster
    operator: RunningOperator
    agents: int

    @property
    def names(self) -> list[Where]:
        """Neighbours are of different namespaces."""
        return [(NAMESPACES[number % len(NAMESPACES)], f"a{number:05}") for number in range(self.agents)]

    def lists(self, resource: Any, labels: str | None = None, *, metadata_only: bool = False) -> list[Object]:
        async def listed() -> list[Object]:
            async with self.client() as client:
                return (await client.list(resource, labels=labels, metadata_only=metadata_only)).items

        return asyncio.run(listed())

    def client(self) -> ApiClient:
        return ApiClient(from_kubeconfig(self.cluster.kubeconfig), NobodyCounts())

    def each(self, work: Iterable[T], do: Callable[[ApiClient, T], Awaitable[object]]) -> float:
        """Seconds until it was done with each of them, as many at a time as the operator has workers."""
        waiting = iter(work)

        async def take(client: ApiClient) -> None:
            for one in waiting:
                await do(client, one)

        async def all_of_it() -> float:
            async with self.client() as client:
                began = time.monotonic()
                await asyncio.gather(*(take(client) for _ in range(expected.WORKERS)))
                return time.monotonic() - began

        return asyncio.run(all_of_it())

    def account(self, mark: int | None = None, ready: Iterable[Where] = ()) -> Account:
        """Of what is asked from now on, or from the mark on."""
        return Account(self.cluster.audit, self.operator.mark_now() if mark is None else mark, list(ready))

    def not_ready(self) -> int:
        return sum(not _is_ready(each) for each in self.lists(AGENTS))

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


class Part:
    """What a part of the run costs, from its making to `spent`: CPU of the operator and of the kubelet beside it."""

    def __init__(self, bench: Bench, kubelet: FakeKubelet, account: Account, cpu_before: float | None = None) -> None:
        self.account = account
        self._bench = bench
        self._kubelet = kubelet
        self._cpu = bench.operator.cpu_seconds if cpu_before is None else cpu_before
        self._kubelet_cpu = kubelet.cpu_seconds
        self._kubelet_requests = Counter(kubelet.requests)

    def spent(self, per: int) -> Object:
        """Of each of so many agents or looks."""
        requests = self._kubelet.requests - self._kubelet_requests
        return {
            "cpu_ms": (self._bench.operator.cpu_seconds - self._cpu) * 1000 / per,
            "kubelet": {
                "cpu_ms": (self._kubelet.cpu_seconds - self._kubelet_cpu) * 1000 / per,
                "requests": {name: round(number / per, 3) for name, number in sorted(requests.items())},
            },
        }

    def asked(self, phase: expected.Phase, agents: list[Where]) -> Object:
        """Requests, for each of the agents, and what differs from what was expected."""
        requests = self.account.read().requests
        unexpected = expected.unexpected(phase, requests, agents)
        not_ready = self._bench.not_ready()
        if not_ready:
            unexpected["agents that are not Ready"] = str(not_ready)
        return {"requests": _per_agent(requests, len(agents)), "unexpected": unexpected}


def objects(agents: Iterable[Where]) -> Iterator[Object]:
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
    for number, (space, name) in enumerate(agents):
        made = agent(name, scaling={"replicas": 1}, modelRouteRef={"name": f"r{number // 10 % ROUTES_EACH}"})
        yield made | _in(space, name)


def install(c: Cluster, scratch: Path) -> Path:
    """The contract, the operator's permissions and the namespaces; the operator's kubeconfig."""
    c.kubectl("apply", "--server-side", "--filename", CRDS)
    c.kubectl("wait", "--for", "condition=Established", "--timeout", "60s", "--filename", CRDS)
    credentials = install_permissions(c, scratch)
    c.kubectl("apply", "-f", "-", text=yaml.safe_dump_all([namespace(name) for name in NAMESPACES]))
    return credentials


def apply(bench: Bench) -> None:
    """As people would, but many at a time: kubectl takes a second for fifty."""
    bench.each(objects(bench.names), lambda client, obj: client.apply(BY_KIND[obj["kind"]], obj, "people"))


def start(bench: Bench) -> float:
    """CPU seconds of an operator that has nothing to do; it is stopped again."""
    bench.operator.start()
    bench.wait("it leads", bench.operator.leads)
    bench.until_quiet()
    spent = bench.operator.cpu_seconds
    bench.operator.stop()
    return spent


def creation(bench: Bench, kubelet: FakeKubelet, start_cpu_seconds: float) -> Object:
    bench.operator.start()
    part = Part(bench, kubelet, bench.account(bench.operator.mark), start_cpu_seconds)
    bench.wait("every agent is Ready", lambda: part.account.settled(bench.agents))
    spent = part.spent(bench.agents) | {"resident_mib": bench.operator.resident_mib}
    bench.until_quiet()
    asked = part.asked(expected.CREATION, bench.names)
    children = {child.plural for child in CHILDREN}
    return {
        "seconds": _span([r for r in part.account.writes if r.verb == "patch" and r.resource in children]),
        "ready_seconds": _span(part.account.of("patch", "aiagents", "status")),
        "start_cpu_seconds": start_cpu_seconds,
        **spent,
        **asked,
    }


def bare(bench: Bench) -> float:
    """Seconds in which a bare client applies the same bodies under other names; the operator is away."""
    by_agent: dict[Where, list[Object]] = {}
    for child in CHILDREN:
        for obj in bench.lists(child, OURS):
            body = _bare(obj, child.kind)
            by_agent.setdefault((body["metadata"]["namespace"], body["metadata"]["name"]), []).append(body)

    async def write(client: ApiClient, bodies: list[Object]) -> None:
        for body in bodies:
            await client.apply(CHILD_BY_KIND[body["kind"]], body)

    return bench.each(by_agent.values(), write)


def floor_edit(bench: Bench, kubelet: FakeKubelet) -> Object:
    part = Part(bench, kubelet, bench.account(ready=bench.names))
    patch = json.dumps({"spec": {"size": {"maxOutputTokens": 500}}})
    bench.cluster.kubectl("patch", POLICIES.plural, "floor", "-n", NAMESPACE, "--type=merge", "-p", patch)
    bench.wait("every agent is Ready under it", lambda: part.account.settled(bench.agents))
    bench.until_quiet()
    spent, asked = part.spent(bench.agents), part.asked(expected.EDIT, bench.names)
    edit = next(r for r in part.account.everyones if expected.name_of(r) == f"patch {POLICIES.plural}")
    configs = part.account.of("patch", "configmaps")
    seconds = _span([edit, *configs])
    return {
        "config_seconds": seconds,
        "agents_per_second": bench.agents / seconds,
        "told_seconds": _span([edit, *part.account.of("patch", "aiagents", "status")]),
        **spent,
        **asked,
        "writes_before_the_last_config": _up_to(max(r.at for r in configs), part.account.writes),
    }


def paced_edits(bench: Bench, kubelet: FakeKubelet, seconds: float) -> Object:
    """Each agent is edited once at the most, so that the write of its config is that of its edit."""
    agents = bench.names[: round(seconds * EDITS_PER_SECOND)]
    part = Part(bench, kubelet, bench.account(ready=bench.names))
    sent = asyncio.run(paced.edit(from_kubeconfig(bench.cluster.kubeconfig), agents, EDITS_PER_SECOND))
    taken = [one for one in sent if one.generation is not None]
    edits: list[paced.Applied] = []

    def all_applied() -> bool:
        edits[:] = paced.applied(taken, part.account.read().everyones)
        return len(edits) == len(taken) and paced.are_applied(edits)

    bench.wait("every edit is applied", all_applied)
    bench.until_quiet()
    spent, asked = part.spent(len(agents)), part.asked(expected.EDIT_OF_AGENTS, [one.agent for one in taken])
    if len(taken) < len(sent):
        asked["unexpected"]["edits without an answer of 200"] = str(len(sent) - len(taken))
    return {"a_second": EDITS_PER_SECOND, **paced.figures(edits), **spent, **asked}


def restart(bench: Bench, kubelet: FakeKubelet, start_cpu_seconds: float) -> Object:
    """With nothing changed. CPU beyond that of a start."""
    bench.operator.stop()
    bench.operator.flags = (f"--resync-seconds={_resync_seconds(bench)}",)
    began = time.monotonic()
    bench.operator.start()
    part = Part(bench, kubelet, bench.account(bench.operator.mark), start_cpu_seconds)

    def steady() -> bool:
        return _looks(bench) >= bench.agents and bench.operator.metric("regent_operator_queue_depth") == 0

    bench.wait("everything was looked at", steady)
    seconds = time.monotonic() - began
    spent = part.spent(bench.agents) | {"resident_mib": bench.operator.resident_mib}
    time.sleep(1)  # the server's account of what it answered
    return {"seconds": seconds, **spent, **part.asked(expected.RESTART, bench.names)}


def resync(bench: Bench, kubelet: FakeKubelet) -> Object:
    """Until each agent was looked at again by the clock."""
    part, before = Part(bench, kubelet, bench.account()), _looks(bench)
    time.sleep(_resync_seconds(bench))
    bench.wait("each was looked at again", lambda: _looks(bench) - before >= bench.agents)
    spent = part.spent(int(_looks(bench) - before))
    return {"looks": _looks(bench) - before, **spent, **part.asked(expected.RESYNC, bench.names)}


def run(agents: int, edit_seconds: float) -> Object:
    with (
        tempfile.TemporaryDirectory() as scratch,
        cluster.control_plane("bench-operator", controllers=CONTROLLERS) as c,
    ):
        credentials = install(c, Path(scratch))
        bench = Bench(c, RunningOperator(c, credentials, Path(scratch), "bench"), agents)
        start_cpu_seconds = start(bench)
        apply(bench)
        found: Object = {"agents": agents}
        with FakeKubelet(c.kubeconfig) as kubelet:
            parts = {
                "creation": lambda: creation(bench, kubelet, start_cpu_seconds),
                "floor_edit": lambda: floor_edit(bench, kubelet),
                "paced_edits": lambda: paced_edits(bench, kubelet, edit_seconds),
                "restart": lambda: restart(bench, kubelet, start_cpu_seconds),
                "resync": lambda: resync(bench, kubelet),
            }
            try:
                for name, part in parts.items():
                    began = time.monotonic()
                    found[name] = part()
                    sys.stderr.write(f"{agents} agents, {name}: {time.monotonic() - began:.0f} s\n")
            finally:
                bench.operator.stop()
        found["bare_seconds"] = bare(bench)
        found["ratio"] = found["creation"]["seconds"] / found["bare_seconds"]
        found["unexpected"] = {name: found[name]["unexpected"] for name in parts if found[name]["unexpected"]}
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
    return any(c["type"] == "Ready" and is_ready(c) for c in conditions)


def _looks(bench: Bench) -> float:
    """At agents, since the operator began."""
    return bench.operator.metric(f'regent_operator_reconcile_seconds_count{{kind="{AGENTS.kind}"}}')


def _resync_seconds(bench: Bench) -> float:
    return max(RESYNC_SECONDS, bench.agents / LOOKS_PER_SECOND)


def _bare(obj: Object, kind: str) -> Object:
    meta = obj["metadata"]
    kept = {name: value for name, value in obj.items() if name not in {"status", "metadata", "kind", "apiVersion"}}
    about = {"name": f"bare-{meta['name']}", "namespace": meta["namespace"], "labels": meta["labels"]}
    resource = CHILD_BY_KIND[kind]
    if "clusterIP" in kept.get("spec", {}):
        kept["spec"] = {name: value for name, value in kept["spec"].items() if not name.startswith("clusterIP")}
    return {"apiVersion": resource.api_version, "kind": kind, "metadata": about, **kept}


def _span(requests: list[Request]) -> float:
    times = [request.moment for request in requests]
    return max(times) - min(times)


def _per_agent(requests: list[Request], agents: int) -> dict[str, float]:
    counted = Counter(expected.name_of(request) for request in requests if request.resource != "leases")
    return {name: round(number / agents, 3) for name, number in sorted(counted.items())}


def _up_to(moment: str, writes: list[Request]) -> dict[str, int]:
    return dict(Counter(request.resource for request in writes if request.at <= moment))


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what agents cost the operator.")
    parser.add_argument("--agents", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--edit-seconds", type=float, default=30, help=f"of {EDITS_PER_SECOND} edits each")
    parser.add_argument("--json", type=Path, default=Path("build/bench-operator.json"))
    asked = parser.parse_args()
    runs = []
    for agents in asked.agents:
        runs.append(run(agents, asked.edit_seconds))
        sys.stdout.write(json.dumps(runs[-1], indent=1) + "\n")
    found = {"runs": runs, "growth": exponents(runs), "goals": GOALS}
    sys.stdout.write(json.dumps(found["growth"]) + "\n")
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if any(each["unexpected"] for each in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
