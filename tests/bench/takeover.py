"""What a leader that is killed in the middle leaves behind: the second part of `make bench-operator`.

Two replicas, and agents that were there before them; when a quarter of the Deployments stand, the leader gets SIGKILL.
Told are the seconds between its last renewal of the Lease and the other's first write of it, by the API server's
account, what was made twice, and what is missing when every agent is Ready. What is counted ends with an error where it
is not zero, and so does a kill that came too late to be in the middle. The seconds are this machine's and end with none:
they are told in words beside their goal.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from regent_operator.engine.resources import AGENTS, CHILDREN, DEPLOYMENTS, DISRUPTION_BUDGETS, OURS, Resource
from tests import cluster
from tests.api.conftest import CONTROLLERS
from tests.api.fake_kubelet import FakeKubelet
from tests.api.running_operator import RunningOperator
from tests.bench.operator import Bench, apply, install
from tests.cluster import Cluster, Request

TAKE_OVER_SECONDS = 20
Object = dict[str, Any]
Owners = dict[tuple[str, str], str]


def takeover(bench: Bench, standby: RunningOperator) -> Object:
    account = bench.account(bench.operator.mark)
    bench.wait("in the middle", lambda: _deployments(bench) >= bench.agents // 4)
    bench.operator.kill()
    stood = _deployments(bench)
    bench.wait("the standby leads", standby.leads)
    bench.operator = standby
    bench.wait("every agent is Ready", lambda: account.settled(bench.agents))
    bench.until_quiet()
    asked = account.read().requests
    made = Counter((r.resource, r.namespace, r.name) for r in asked if r.verb == "patch" and r.code == 201)
    owners = {_where(agent): agent["metadata"]["uid"] for agent in bench.lists(AGENTS, metadata_only=True)}
    children = [child for child in CHILDREN if child != DISRUPTION_BUDGETS]
    return {
        "agents": bench.agents,
        "deployments_when_killed": stood,
        "takeover": in_words(_gap(asked)),
        "takeover_seconds": _gap(asked),
        "goal_seconds": TAKE_OVER_SECONDS,
        "made_twice": sum(count > 1 for count in made.values()),
        "missing": {child.plural: n for child in children if (n := _missing(bench, child, owners))},
        "not_ready": bench.not_ready(),
    }


def in_words(seconds: float) -> str:
    within = seconds <= TAKE_OVER_SECONDS
    goal = f"{'within' if within else 'misses'} the goal of {TAKE_OVER_SECONDS} s"
    return f"took {seconds:.1f} s, {goal}" + ("" if within else "; on a slow machine that is no fault of the operator")


def faults(found: Object) -> list[str]:
    """What makes the run fail. Seconds do not."""
    named = [f"{name}: {found[name]}" for name in ("made_twice", "missing", "not_ready") if found[name]]
    if found["deployments_when_killed"] >= found["agents"]:
        named.append("the leader was killed when every Deployment stood: that is no middle")
    return named


def _deployments(bench: Bench) -> int:
    return len(bench.lists(DEPLOYMENTS, OURS, metadata_only=True))


def _missing(bench: Bench, child: Resource, owners: Owners) -> int:
    """Agents without this child, or with one that is another's."""
    found = {
        _where(obj): obj["metadata"]["ownerReferences"][0]["uid"]
        for obj in bench.lists(child, OURS, metadata_only=True)
    }
    return sum(found.get(where) != uid for where, uid in owners.items())


def _where(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _gap(asked: list[Request]) -> float:
    """The longest time between two writes of the Lease: from the dead one's last to the other's first."""
    times = sorted(r.moment for r in asked if r.resource == "leases" and r.is_write)
    return max(later - earlier for earlier, later in pairwise(times))


def run(agents: int, scratch: Path, c: Cluster) -> Object:
    credentials = install(c, scratch)
    leader, standby = (RunningOperator(c, credentials, scratch, name) for name in ("leader", "standby"))
    bench = Bench(c, leader, agents)
    apply(bench)
    leader.start()
    bench.wait("it leads", leader.leads)
    standby.start()
    try:
        with FakeKubelet(c.kubeconfig):
            return takeover(bench, standby)
    finally:
        for operator in (leader, standby):
            if operator.process and operator.process.poll() is None:
                operator.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the operator's leader in the middle.")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=Path("build/bench-takeover.json"))
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        cluster.control_plane("bench-takeover", controllers=CONTROLLERS) as c,
    ):
        found = run(asked.agents, Path(scratch), c)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(found, indent=2) + "\n")
    wrong = faults(found)
    sys.stderr.writelines(f"{fault}\n" for fault in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
