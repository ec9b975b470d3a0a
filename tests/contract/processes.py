"""The runtime as a process of its own: `python -I -m regent_runtime`."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes import configs
from tests.fakes.sealing import AGENT_UID
from tests.fakes.serving import ConfigVolume
from tests.fakes.waiting import WAIT_SECONDS


class Process:
    """`lines`: its log, whole once it has `ended`. It is read all the time: when the pipe is full, it writes no more."""

    def __init__(
        self, process: asyncio.subprocess.Process, lines: list[dict[str, Any]], reading: "asyncio.Task[None]"
    ) -> None:
        self.process = process
        self.lines = lines
        self._reading = reading
        started = next(line for line in lines if line["event"] == "started")
        self.url = f"http://127.0.0.1:{started['port']}"
        self.status_url = f"http://127.0.0.1:{started['statusPort']}"

    @property
    def most_mib(self) -> float:
        """The most memory that was ever resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    async def ended(self) -> int:
        """The exit code, once the log has been read to its end."""
        await asyncio.wait_for(self._reading, WAIT_SECONDS)
        return await asyncio.wait_for(self.process.wait(), WAIT_SECONDS)


@asynccontextmanager
async def running(
    tmp_path: Path,
    document: dict[str, Any],
    volume: ConfigVolume | None = None,
    flags: Sequence[str] = (),
    **environment: Any,
) -> AsyncIterator[Process]:
    """`volume`: what the pod mounts already, where its container starts again."""
    if volume is None:
        volume = ConfigVolume(tmp_path / "config")
        volume.directory.mkdir()
        volume.write(document)
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "regent_runtime", "--config", str(volume.path), "--state", str(state)),
        *("--agent-uid", AGENT_UID, "--config-key", volume.sealing.public, "--audit", str(tmp_path / "audit")),
        *("--credentials", str(tmp_path / "credentials"), "--host", "127.0.0.1", "--port", "0", "--status-port", "0"),
        *flags,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    lines: list[dict[str, Any]] = []
    reading = asyncio.create_task(_started(process.stdout, lines))
    try:
        await asyncio.wait_for(reading, WAIT_SECONDS)
        reading = asyncio.create_task(_rest(process.stdout, lines))
        yield Process(process, lines, reading)
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait({reading})
        await process.wait()


async def _started(log: asyncio.StreamReader, lines: list[dict[str, Any]]) -> None:
    while not lines or lines[-1]["event"] != "started":
        lines.append(json.loads(await log.readline()))


async def _rest(log: asyncio.StreamReader, lines: list[dict[str, Any]]) -> None:
    """A line that a kill cut is none."""
    lines += [json.loads(line) async for line in log if line.endswith(b"\n")]


def request(**more: Any) -> dict[str, Any]:
    return {
        "json": {"messages": [{"role": "user", "content": "Whisper: tulip"}], **more},
        "headers": {"Authorization": f"Bearer {configs.token()}"},
    }
