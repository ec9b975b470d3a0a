"""Removes a cluster, whatever state it is in, in the one order that lets no packet out.

Clients first: when the veth goes, its routes go with it, and a client that still dials the node's private addresses
would fall through to the machine's default route. The blackhole routes that stand behind go last.
"""

import os
import shutil
import signal
from pathlib import Path

from . import cache, cgroups, network, registry
from .registry import Record

KEEP_LOGS = "REGENT_TEST_LOGS"


def stale() -> None:
    """Removes what crashed runs left. Call it under `registry.alone()`."""
    for record in registry.all_records():
        if record.stale:
            cache.say(f"removing {record.name}, whose owner or node is dead")
            try:
                remove(record)
            except RuntimeError as busy:
                cache.say(str(busy))


def now(record: Record) -> None:
    """Removes one cluster, unless that has happened already."""
    with registry.alone():
        known = registry.latest(record)
        if known:
            remove(known)


def remove(record: Record) -> None:
    """Call it under `registry.alone()`.

    Raises RuntimeError when a cgroup stays busy, as some process of the node still lives; then the record stays too,
    and the next start tries again.
    """
    for client in record.clients:
        client.end(patience=3)
    if record.init:
        record.init.signal(signal.SIGKILL)
        record.init.gone_within(10)
    left = cgroups.remove(record.cgroup)
    network.disconnect(record.network)
    if left:
        raise RuntimeError(f"cluster {record.name}: busy cgroups stay: {', '.join(map(str, left))}")
    _keep_logs(record)
    shutil.rmtree(record.folder, ignore_errors=True)
    network.unblock(record.network)


def _keep_logs(record: Record) -> None:
    """Into the folder that the environment names, for a look after a failed run."""
    place = os.environ.get(KEEP_LOGS)
    logs = record.folder / "logs"
    if place and logs.exists():
        shutil.copytree(logs, Path(place) / record.name, dirs_exist_ok=True)
