"""What a leader that is killed in the middle leaves behind: the second part of `make bench-operator`.

Two replicas, and agents that were there before them; when a quarter of the Deployments stand, the leader gets SIGKILL.
Told are the seconds between its last renewal of the Lease and the other's first write of it, by the API server's
account, what was made twice, and what is missing when every agent is Ready. Anything but zeros ends with an error.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from regent_operator.engine.resources import AGENTS, CHILDREN, DEPLOYMENTS, DISRUPTION_BUDGETS, OURS, Resource
from tests import cluster
from tests.api.conftest import CONTROLLERS
from tests.api.fake_kubelet import FakeKubelet
from tests.api.running_operator import RunningOperator, install_permissions, namespace
from tests.bench.operator import CRDS, NAMESPACES, PATIENCE_SECONDS, Bench, objects
from tests.cluster import Cluster, Request

TAKE_OVER_SECONDS = 20
Object = dict[str, Any]
Owners = dict[tuple[str, str], str]


def takeover(bench: Bench, standby: RunningOperator) -> Object:
    mark = bench.operator.mark
    bench.wait("in the middle", lambda: len(bench.lists(DEPLOYMENTS, OURS)) >= bench.agents // 4)
    bench.operator.kill()
    stood = len(bench.lists(DEPLOYMENTS, OURS))
    bench.wait("the standby leads", standby.leads)
    bench.operator = standby
    bench.wait("every agent is Ready", bench.all_ready)
    bench.until_quiet()
    asked = standby.requests(mark)
    made = Counter((r.resource, r.namespace, r.name) for r in asked if r.verb == "patch" and r.code == 201)
    owners = {_where(agent): agent["metadata"]["uid"] for agent in bench.lists(AGENTS)}
    children = [child for child in CHILDREN if child != DISRUPTION_BUDGETS]
    return {
        "agents": bench.agents,
        "deployments_when_killed": stood,
        "takeover_seconds": _gap(asked),
        "goal_seconds": TAKE_OVER_SECONDS,
        "made_twice": sum(count > 1 for count in made.values()),
        "missing": {child.plural: n for child in children if (n := _missing(bench, child, owners))},
    }


def _missing(bench: Bench, child: Resource, owners: Owners) -> int:
    """Agents without this child, or with one that is another's."""
    found = {_where(obj): obj["metadata"]["ownerReferences"][0]["uid"] for obj in bench.lists(child, OURS)}
    return sum(found.get(where) != uid for where, uid in owners.items())


def _where(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _gap(asked: list[Request]) -> float:
    """The longest time between two writes of the Lease: from the dead one's last to the other's first."""
    times = sorted(datetime.fromisoformat(r.at) for r in asked if r.resource == "leases" and r.is_write)
    return max((later - earlier).total_seconds() for earlier, later in pairwise(times))


def run(agents: int, scratch: Path, c: Cluster) -> Object:
    c.kubectl("apply", "--server-side", "--filename", CRDS)
    c.kubectl("wait", "--for", "condition=Established", "--timeout", "60s", "--filename", CRDS)
    credentials = install_permissions(c, scratch)
    c.kubectl("apply", "-f", "-", text=yaml.safe_dump_all([namespace(name) for name in NAMESPACES]))
    text = yaml.safe_dump_all(objects(agents))
    c.kubectl("apply", "--server-side", "-f", "-", text=text, timeout=PATIENCE_SECONDS)
    leader, standby = (RunningOperator(c, credentials, scratch, name) for name in ("leader", "standby"))
    bench = Bench(c, leader.start(), agents)
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
    return 1 if found["made_twice"] or found["missing"] else 0


if __name__ == "__main__":
    sys.exit(main())
