"""Kills writers of a log at any moment, and counts acknowledged records that the log has lost."""

import random
import subprocess
import sys
import time
from pathlib import Path

from regent_api.audit import segment
from regent_api.audit.log import Log
from regent_api.audit.record import decode
from regent_api.audit.verify import verify

LEAST_RECORDS = 32
"""That each process has acknowledged: a slow machine kills nobody before there is something to lose."""
MOST_SECONDS = 0.15
"""After these a process lives so long at most."""


def kill_writers(folder: Path, kills: int, seed: int = 4) -> tuple[int, int, int]:
    """(acknowledged, lost, unsound): over so many processes that each go on with the log of the one before."""
    dice = random.Random(seed)
    acknowledged: set[str] = set()
    unsound = 0
    for _ in range(kills):
        acknowledged |= _acknowledged(folder, dice.random() * MOST_SECONDS)
        Log(folder, "demo/helper/uid-1").close()  # recovers
        unsound += any(found.problem for found in verify(folder))
    kept = {decode(payload).id for _, payload in segment.payloads(folder)}
    return len(acknowledged), len(acknowledged - kept), unsound


def _acknowledged(folder: Path, seconds: float) -> set[str]:
    command = [sys.executable, "-m", "tests.fakes.audit_writer", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = b"".join(process.stdout.readline() for _ in range(LEAST_RECORDS))
        time.sleep(seconds)
        process.kill()
        told = first + process.stdout.read()
    return {line.decode() for line in told.split(b"\n")[:-1]}
