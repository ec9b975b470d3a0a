"""A child process that this command started: waited for, stopped by its pid, and gone when this command is gone."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 40.0
"""SIGTERM lets the runtime finish its turns; after this long it is killed."""
DRAIN_SECONDS = 25.0
"""After which the runtime itself cuts what still runs, to close its log in time."""
POLL_SECONDS = 0.1
PROBE_SECONDS = 5.0


class ChildError(Exception):
    """A child ended when it should not have, or did not come up in time."""


class Child:
    """A running program. Its output goes to this command's stderr, or to `log`."""

    def __init__(
        self, title: str, command: Sequence[str], env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        self.title = title
        self._log = log
        tether = [sys.executable, "-I", "-m", "regent_operator.cli.tether", str(os.getpid())]
        with (log or Path(os.devnull)).open("ab") as file:
            output = file if log else sys.stderr
            # A process group of its own: Ctrl-C reaches this command alone, which then stops its children in order.
            self._process = subprocess.Popen(  # noqa: S603 - the program is ours
                [*tether, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, process_group=0
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises ChildError when the child has ended."""
        code = self._process.poll()
        if code is not None:
            raise ChildError(f"{self.title} ended with code {code}{self._last_words()}")

    def wait_for(self, port: int, path: str, deadline: float) -> None:
        """Until `GET path` on a loopback port answers 200. Raises ChildError after `deadline` seconds."""
        end = time.monotonic() + deadline
        while probe(port, path)[0] != http.client.OK:
            self.check()
            if time.monotonic() > end:
                raise ChildError(f"{self.title} did not answer {path} within {deadline:.0f} s{self._last_words()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after STOP_SECONDS; returns when it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        if self._log is None or not self._log.exists():
            return ""
        return "".join(f"\n  {line}" for line in self._log.read_text(errors="replace").splitlines()[-20:])


def probe(port: int, path: str) -> tuple[int, Any]:
    """Status and JSON body of a GET on loopback; (0, None) where there is no answer, None for another body."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read(1 << 20)
        except (OSError, http.client.HTTPException):
            return 0, None
    try:
        return answer.status, json.loads(body)
    except ValueError:
        return answer.status, None


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """False too for a number beyond those of ports."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True
