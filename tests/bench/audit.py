"""`make bench-audit`: the audit log's promises at full size, and what it costs beside the disk.

The baseline is a bare loop that appends the same bytes in the same groups and calls fdatasync, in the same run on the
same disk: the rest is what records, chain, tree, frames and the event loop add.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from regent_api.audit.record import Kind
from regent_runtime.audit.disk import Disk
from regent_runtime.audit.entry import Writer
from regent_runtime.audit.journal import Journal
from tests.contract.audit.killing import kill_writers
from tests.contract.audit.mutations import missed
from tests.fakes.audit import write_log

WRITERS = 32
RECORDS = 3000
ROUNDS = 5
WRITER = Writer("demo/helper", "0")


async def journal(folder: Path, records: int, writers: int) -> tuple[float, list[int]]:
    """Seconds for so many records by so many writers, and the bytes of each commit."""
    groups: list[int] = []
    written = Journal(Disk(folder), lambda _size, payloads: groups.append(sum(map(len, payloads)) + 9 * len(payloads)))
    written.begin("demo/helper/uid", WRITER)
    running = asyncio.create_task(written.run())

    async def write() -> None:
        for _ in range(records // writers):
            await written.write([WRITER.record(Kind.REFUSED, turn="t" * 24, code="x" * 200)])

    begun = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(writers)))
    seconds = time.perf_counter() - begun
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return seconds, groups


def bare(folder: Path, groups: list[int]) -> float:
    """Seconds for the same groups of bytes, appended and synced."""
    file = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    begun = time.perf_counter()
    for size in groups:
        os.write(file, bytes(size))
        os.fdatasync(file)
    seconds = time.perf_counter() - begun
    os.close(file)
    return seconds


def throughput(folder: Path, writers: int, records: int, rounds: int) -> dict[str, float]:
    """Medians of the rounds, each beside its own baseline."""
    found = []
    for number in range(rounds):
        place = folder / f"{writers}-{number}"
        place.mkdir()
        seconds, groups = asyncio.run(journal(place / "log", records, writers))
        found.append((records / seconds, records / bare(place, groups), len(groups)))
    return {
        "recordsPerSecond": statistics.median(each[0] for each in found),
        "bareRecordsPerSecond": statistics.median(each[1] for each in found),
        "ratio": statistics.median(each[0] / each[1] for each in found),
        "recordsACommit": records / statistics.median(each[2] for each in found),
    }


def run(folder: Path, *, kills: int, mutants: int, rounds: int, records: int) -> dict[str, Any]:
    acknowledged, lost, unsound = kill_writers(folder / "killed", kills)
    logs, workplace = folder / "logs", folder / "mutants"
    write_log(logs / "log", 30)
    write_log(logs / "other", 30, name="demo/other/uid-2")
    workplace.mkdir()
    return {
        "kills": {"kills": kills, "acknowledged": acknowledged, "lost": lost, "unsound": unsound},
        "mutants": {"mutants": mutants, "missed": len(missed(logs, workplace, mutants))},
        "writers32": throughput(folder, WRITERS, records, rounds),
        "writers1": throughput(folder, 1, records // 10, rounds),
    }


def lines(found: dict[str, Any]) -> list[str]:
    kills, mutants = found["kills"], found["mutants"]
    counted = f"{kills['acknowledged']} acknowledged records, {kills['lost']} lost, {kills['unsound']} unsound logs"
    table = [
        f"{kills['kills']} kill -9 under {WRITERS} writers: {counted}",
        f"{mutants['mutants']} mutated logs: {mutants['missed']} missed",
    ]
    for name in ("writers32", "writers1"):
        each = found[name]
        speed = f"{each['recordsPerSecond']:.0f} records/s, {each['recordsACommit']:.1f} a commit"
        beside = f"bare fdatasync in the same groups {each['bareRecordsPerSecond']:.0f}, ratio {each['ratio']:.2f}"
        table.append(f"{name[7:]} writers: {speed}; {beside}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description="Show what the audit log promises, and measure what it costs.")
    parser.add_argument("--json", type=Path, default=Path("build/bench-audit.json"))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--mutants", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.json.parent if asked.json.parent.is_dir() else None) as folder:
        found = run(Path(folder), kills=asked.kills, mutants=asked.mutants, rounds=ROUNDS, records=RECORDS)
    sys.stdout.write("\n".join(lines(found)) + "\n")
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(bool(found["kills"]["lost"] or found["kills"]["unsound"] or found["mutants"]["missed"]))


if __name__ == "__main__":
    main()
