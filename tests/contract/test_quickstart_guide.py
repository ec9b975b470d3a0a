"""The quickstart guide's commands for one's own machine, run as they stand, and what `regent dev` prints to be pasted."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guides import commands

DEMO, DEV, CHAT = commands("quickstart.md", "On this machine")
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Printed:
    """What `regent dev` prints for a person."""

    exports: str
    curl: str
    program: str

    @property
    def environment(self) -> dict[str, str]:
        given = dict(re.findall(r"^export (\w+)=(\S+)$", self.exports, re.MULTILINE))
        return {**os.environ, **given, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def shell(text: str, environment: dict[str, str] | None = None) -> str:
    """Standard output; asserts that the commands succeed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed() -> Iterator[Printed]:
    command = f"exec {DEV.strip()} --port 0"  # 8080 may be taken where tests run
    with subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dev:
        assert dev.stdout is not None
        assert dev.stderr is not None
        lines = []
        for line in dev.stdout:
            lines.append(line)
            if line == "END\n":
                break
        try:
            yield read(lines)
        finally:
            dev.send_signal(signal.SIGINT)
            assert dev.wait(120) == 0, dev.stderr.read()


def read(lines: list[str]) -> Printed:
    parts = [part for part in "".join(lines).split("\n\n") if part.strip()]
    assert len(parts) == 5, parts
    return Printed(parts[0], parts[2], parts[3] + "\n\n" + parts[4])


def test_make_demo_does_what_the_guide_tells() -> None:
    out = shell(DEMO)

    assert "visitor  >" in out
    assert "403 caller_not_allowed" in out


def test_the_question_of_the_guide_is_answered(printed: Printed) -> None:
    assert shell(CHAT, printed.environment).strip()


def test_the_curl_command_that_is_printed_streams_an_answer(printed: Printed) -> None:
    out = shell(printed.curl, printed.environment)

    assert out.count("data: {") > 2
    assert out.rstrip().endswith("data: [DONE]")


def test_the_program_that_is_printed_prints_an_answer(printed: Printed) -> None:
    assert shell(printed.program, printed.environment).strip()
