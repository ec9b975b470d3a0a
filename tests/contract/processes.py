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
    def __init__(self, process: asyncio.subprocess.Process, lines: list[dict[str, Any]]) -> None:
        self.process = process
        self.lines = lines
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
        rest = await asyncio.wait_for(self.process.stdout.read(), WAIT_SECONDS)
        self.lines += [json.loads(line) for line in rest.splitlines()]
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
    try:
        lines = []
        while not lines or lines[-1]["event"] != "started":
            lines.append(json.loads(await asyncio.wait_for(process.stdout.readline(), WAIT_SECONDS)))
        yield Process(process, lines)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def request(**more: Any) -> dict[str, Any]:
    return {
        "json": {"messages": [{"role": "user", "content": "Whisper: tulip"}], **more},
        "headers": {"Authorization": f"Bearer {configs.token()}"},
    }
