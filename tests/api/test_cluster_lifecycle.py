"""Clusters of our own start, stop and crash without leaving anything on the host."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Request, cgroups, command, network, ownnode, registry, teardown, wait
from tests.cluster.ownnode import OwnNode
from tests.cluster.process import Process, running
from tests.cluster.registry import Record

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
NAME = f"lifecycle-{os.getpid()}"
OWNER = f"""
import signal
from tests.cluster import ownnode
ownnode.start("{NAME}-crash", "control")
print("up", flush=True)
signal.pause()
"""


@pytest.fixture
def cluster() -> Iterator[OwnNode]:
    with ownnode.start(NAME, "control") as node:
        yield node


@pytest.fixture(scope="module")
def steady() -> Iterator[OwnNode]:
    """One that the tests leave as it is."""
    with ownnode.start(f"{NAME}-steady", "control") as node:
        yield node


def remains(record: Record) -> list[str]:
    """What of a cluster is still on the host. A test run beside this one may have got its number since."""
    left = [str(r.to) for r in network.routes() if not network.is_free(record.network, [r.to])]
    left += [record.network.link] if network.is_connected(record.network) else []
    left += [str(h.root / record.cgroup) for h in cgroups.here() if (h.root / record.cgroup).exists()]
    left += [str(record.folder)] if record.folder.exists() else []
    left += ["init"] if record.init and record.init.alive else []
    others = {other.number for other in registry.all_records() if other.name != record.name}
    return [] if record.number in others else left


def remove_stale() -> None:
    with registry.alone():
        teardown.stale()


def test_stop_leaves_nothing(cluster: OwnNode) -> None:
    assert cluster.kubectl("get", "--raw", "/readyz") == "ok"
    assert remains(cluster.record) != []
    cluster.stop()
    assert remains(cluster.record) == []


def test_stop_ends_the_clients_first(cluster: OwnNode) -> None:
    client = cluster.spawn("sleep", "1000")
    process = running(client.pid)
    cluster.stop()
    assert client.returncode == -signal.SIGTERM
    assert not process.alive


def test_the_addresses_of_a_dead_node_lead_nowhere(cluster: OwnNode) -> None:
    cluster.init.signal(signal.SIGKILL)
    wait.until("the link is gone", lambda: not network.is_connected(cluster.record.network), PATIENCE_S)
    for address in (cluster.record.network.node, cluster.record.network.api_service):
        with pytest.raises(command.CommandError, match="Invalid argument"):
            command.run("ip", "route", "get", address)


def test_what_a_killed_node_leaves_is_removed_at_the_next_start(cluster: OwnNode) -> None:
    cluster.init.signal(signal.SIGKILL)
    assert cluster.init.gone_within(PATIENCE_S)
    with ownnode.start(f"{NAME}-next", "control") as following:
        assert following.kubectl("get", "--raw", "/readyz") == "ok"
        others = {r.name for r in registry.all_records()}
        assert NAME not in others
        assert following.record.number == cluster.record.number or remains(cluster.record) == []


def test_a_cluster_dies_with_its_owner() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        record = registry.named(f"{NAME}-crash")
        owner.kill()
    assert record.init is not None
    assert record.init.gone_within(PATIENCE_S)
    assert record.stale
    remove_stale()
    assert remains(record) == []


def test_clusters_run_side_by_side(steady: OwnNode, cluster: OwnNode) -> None:
    steady.kubectl("create", "namespace", "here")
    assert "here" not in cluster.kubectl("get", "namespaces")
    assert steady.api_url != cluster.api_url


def test_a_name_is_taken_once(steady: OwnNode) -> None:
    with pytest.raises(ValueError, match="is up already"):
        ownnode.start(steady.name, "control")


def test_the_audit_counts_requests_but_not_the_systems_own(steady: OwnNode) -> None:
    mark = steady.audit.mark()
    steady.kubectl("create", "configmap", "a")
    steady.kubectl("--as", "system:serviceaccount:x:y", "--as-group", "system:masters", "delete", "configmap", "a")

    def written() -> list[Request]:
        return [r for r in steady.audit.since(mark) if r.is_write]

    wait.until("both are in the account", lambda: len(written()) >= 2, PATIENCE_S)
    assert [(r.user, r.verb, r.resource, r.name, r.code) for r in written()] == [
        ("admin", "create", "configmaps", "a", 201),
        ("system:serviceaccount:x:y", "delete", "configmaps", "a", 200),
    ]
    assert {r.user for r in steady.audit.since(0)} <= {"admin", "system:serviceaccount:x:y"}


def test_a_process_number_used_again_is_not_mistaken() -> None:
    alive = running(os.getpid())
    assert alive.alive
    assert not Process(alive.pid, alive.started - 1).alive
