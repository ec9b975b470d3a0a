"""A process with 32 writers to one journal, to be killed: `python -m tests.fakes.audit_writer FOLDER`.

Each record that was acknowledged is a line on stdout: its sequence and its id.
"""

import asyncio
import os
import sys
from pathlib import Path

from regent_api.audit.record import Kind
from regent_runtime.audit.disk import Disk
from regent_runtime.audit.entry import Writer
from regent_runtime.audit.journal import Journal

WRITERS = 32
WRITER = Writer("demo/helper", "0")


async def write(journal: Journal) -> None:
    while True:
        record = WRITER.record(Kind.REFUSED, turn="t")
        await journal.write([record])
        os.write(1, f"{record.id}\n".encode())


async def main(folder: Path) -> None:
    journal = Journal(Disk(folder, segment_bytes=64 * 1024), lambda _size, _payloads: None)
    journal.begin("demo/helper/uid-1", WRITER)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(journal.run())
        for _ in range(WRITERS):
            tasks.create_task(write(journal))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
