"""The quickstart guide's commands for a cluster, run as they stand, in one shell."""

import json
import os
import subprocess

import pytest

from tests.cluster import tools
from tests.e2e.conftest import Installed
from tests.guides import commands

STEPS = ("install", "apply", "ask", "refused", "let in", "in force", "remove")
MARK = "=== "
PATIENCE_S = 900


@pytest.fixture(scope="module")
def printed(regent: Installed) -> dict[str, str]:
    """What each step of the guide prints."""
    node = regent.kube.cluster
    blocks = commands("quickstart.md", "On a cluster")
    assert len(blocks) == len(STEPS)
    steps = [f"echo; echo '{MARK}{step}'\n{block}" for step, block in zip(STEPS, blocks, strict=True)]
    path = f"{node.kubectl_program.parent}:{tools.helm().parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(steps)],
        capture_output=True,
        text=True,
        env={**node.environment, "PATH": path},
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    sections = [section.partition("\n") for section in done.stdout.split(f"\n{MARK}")[1:]]
    return {name: text for name, _, text in sections}


def test_the_agent_becomes_ready(printed: dict[str, str]) -> None:
    assert "aiagent.regent.dev/helper condition met" in printed["apply"]
    assert "http://helper.quickstart.svc:8080" in printed["apply"]


def test_the_visitors_answer_is_streamed(printed: dict[str, str]) -> None:
    assert printed["ask"].count("data: {") > 2
    assert printed["ask"].rstrip().endswith("data: [DONE]")


def test_the_stranger_is_refused_and_after_the_edit_is_not(printed: dict[str, str]) -> None:
    assert json.loads(printed["refused"])["error"]["code"] == "caller_not_allowed"
    assert json.loads(printed["let in"].splitlines()[-1])["choices"][0]["message"]["content"]


def test_what_is_in_force_bears_its_sources(printed: dict[str, str]) -> None:
    callers = next(line for line in printed["in force"].splitlines() if line.startswith("callers.serviceAccounts\t"))

    assert "quickstart/house-rules" in callers
    assert "regent-system/floor" in callers


def test_nothing_of_the_example_is_left(printed: dict[str, str], regent: Installed) -> None:
    assert 'namespace "quickstart" deleted' in printed["remove"]
    assert regent.kube("get", "namespace", "quickstart", "--ignore-not-found").strip() == ""
