"""Other programs, run with a deadline and with what they said in the error."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

PATIENCE_S = 300.0
"""A program that hangs is ended; a machine may be busy."""


class CommandError(Exception):
    """A program ended with another code than 0; `stdout` and `stderr` hold its last words."""

    def __init__(self, command: tuple[str, ...], code: int, stdout: str, stderr: str) -> None:
        super().__init__(f"{' '.join(command)} ended with {code}:\n{stderr.strip() or stdout.strip()}")
        self.code = code
        self.stdout = stdout
        self.stderr = stderr


def run(
    *words: str | Path,
    text: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = PATIENCE_S,
) -> str:
    """Standard output of a program fed with `text`. Raises CommandError, or TimeoutExpired after `timeout` seconds."""
    command = tuple(str(word) for word in words)
    done = subprocess.run(
        command, input=text or "", capture_output=True, text=True, check=False, cwd=cwd, env=env, timeout=timeout
    )
    if done.returncode:
        raise CommandError(command, done.returncode, done.stdout, done.stderr)
    return done.stdout
