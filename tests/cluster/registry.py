"""Which clusters of ours run on this machine: one folder each, so that they stay apart and none is forgotten.

A cluster has an owner, the process that asked for it, or none when it was started from the command line to stay. One
whose first process or whose owner is dead is stale: whoever starts or stops a cluster next removes it.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import cache, network
from .network import Network
from .process import Process, current


@dataclass(frozen=True)
class Record:
    """`init` is the node's first process as the host sees it, None before it exists."""

    name: str
    number: int
    tier: str
    owner: Process | None
    init: Process | None = None
    clients: tuple[Process, ...] = ()

    @property
    def network(self) -> Network:
        return Network(self.number)

    @property
    def folder(self) -> Path:
        return _runs() / str(self.number)

    @property
    def cgroup(self) -> str:
        return f"regent{self.number}"

    @property
    def stale(self) -> bool:
        if self.owner and not self.owner.alive:
            return True
        return not self.init.alive if self.init else self.owner is None

    def save(self) -> None:
        draft = self.folder / "record.draft"
        draft.write_text(json.dumps(asdict(self)))
        draft.rename(self.folder / "record.json")


def all_records() -> list[Record]:
    return [_read(file) for file in sorted(_runs().glob("*/record.json"))]


def named(name: str) -> Record:
    """Raises LookupError when no such cluster runs."""
    for record in all_records():
        if record.name == name and not record.stale:
            return record
    raise LookupError(f"no cluster {name!r} is up")


def reserve(name: str, tier: str) -> Record:
    """A record with a free network number and an empty folder, owned by this process. Call it under `alone()`."""
    records = all_records()
    if any(record.name == name for record in records):
        raise ValueError(f"cluster {name!r} is up already")
    taken = network.taken()
    used = {record.number for record in records}
    for number in network.NUMBERS:
        if number not in used and network.is_free(Network(number), taken):
            record = Record(name, number, tier, current())
            shutil.rmtree(record.folder, ignore_errors=True)
            record.folder.mkdir(mode=0o755)
            record.save()
            return record
    raise RuntimeError("no network number is free: are 15 clusters up?")


def latest(record: Record) -> Record | None:
    """The cluster as it is known now; None when somebody has removed it, and perhaps given its number to another."""
    return next((r for r in all_records() if (r.number, r.name) == (record.number, record.name)), None)


def add_client(record: Record, client: Process) -> None:
    """Teardown ends it before the node. Raises LookupError when the cluster is gone."""
    known = latest(record)
    if known is None:
        raise LookupError(f"cluster {record.name!r} is gone")
    living = tuple(one for one in known.clients if one.alive)
    replace(known, clients=(*living, client)).save()


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time looks for stale clusters and free numbers."""
    with cache.locked(_runs() / "lock"):
        yield


def _runs() -> Path:
    folder = cache.root() / "run"
    folder.mkdir(exist_ok=True)
    return folder


def _read(file: Path) -> Record:
    def process(known: dict[str, int] | None) -> Process | None:
        return Process(**known) if known else None

    data = json.loads(file.read_text())
    clients = tuple(Process(**client) for client in data["clients"])
    return Record(data["name"], data["number"], data["tier"], process(data["owner"]), process(data["init"]), clients)
