"""A real `regent dev` of the quickstart example: its own process, a real runtime, the real small model."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import openai

from regent_operator.cli.process import probe

QUICKSTART = Path("examples/quickstart")
CALLERS = ("quickstart/visitor", "quickstart/stranger")
PATIENCE_SECONDS = 120.0
REGENT = (sys.executable, "-I", "-m", "regent_operator.cli.main")


class DevSession:
    """The manifests it follows, the callers it printed, and what it says on stderr."""

    def __init__(self, folder: Path, example: Path = QUICKSTART, callers: Sequence[str] = CALLERS) -> None:
        self.manifests = folder / "manifests"
        shutil.copytree(example, self.manifests)
        self._stderr = (folder / "stderr").open("wb")
        self.stderr_path = folder / "stderr"
        self.log = folder / "log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [
                *REGENT,
                "dev",
                "-f",
                str(self.manifests),
                "--port",
                "0",
                "-o",
                "json",
                "--log-file",
                str(self.log),
                *chain.from_iterable(("--caller", caller) for caller in callers),
            ],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={"TMPDIR": str(self.temporary), "PATH": "/usr/bin:/bin"},
        )
        self._clients = ExitStack()
        self.callers = {line["caller"]: line for line in (self._invitation() for _ in callers)}

    @property
    def endpoint(self) -> str:
        return str(next(iter(self.callers.values()))["endpoint"])

    @property
    def said(self) -> str:
        return self.stderr_path.read_text()

    def client(self, caller: str) -> openai.OpenAI:
        (token,) = (told["token"] for name, told in self.callers.items() if name.endswith(f"/{caller}"))
        url = f"{self.endpoint}/v1"
        client = openai.OpenAI(base_url=url, api_key=token, max_retries=0, timeout=PATIENCE_SECONDS)
        return self._clients.enter_context(client)

    def children(self) -> list[int]:
        """Process ids."""
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in task.read_text().split()]

    def kill_child(self, module: str) -> None:
        (pid,) = [pid for pid in self.children() if module in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(pid, signal.SIGKILL)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.manifests / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def stop(self) -> int:
        """Ctrl-C; its exit code."""
        self._clients.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_SECONDS)
        self._stderr.close()
        if self.process.stdout:
            self.process.stdout.close()
        return code

    def _invitation(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.said
        return dict(json.loads(line))


@contextmanager
def dev_session(folder: Path, *what: Any) -> Iterator[DevSession]:
    """`what`: another example, and its callers."""
    session = DevSession(folder, *what)
    try:
        yield session
    finally:
        session.stop()


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def answers(endpoint: str) -> bool:
    return probe(int(endpoint.rpartition(":")[2]), "/livez")[0] == 200
