"""A guide's commands for a cluster, run as they stand, in one shell."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import tools
from tests.e2e.conftest import ROOT, Installed
from tests.guides import commands

MARK = "=== "
PATIENCE_S = 900


def printed(regent: Installed, guide: str | Path, steps: Sequence[str]) -> dict[str, str]:
    """What each step of the guide's section "On a cluster" prints, by the names given to its blocks."""
    blocks = commands(guide, "On a cluster")
    assert len(blocks) == len(steps)
    script = "".join(f"echo; echo '{MARK}{step}'\n{block}" for step, block in zip(steps, blocks, strict=True))
    sections = [section.partition("\n") for section in run(regent, script).split(f"\n{MARK}")[1:]]
    return {name: text for name, _, text in sections}


def run(regent: Installed, script: str, folder: Path = ROOT) -> str:
    """What a script prints that is run in a folder, with kubectl and helm on its PATH. What it leaves running is ended."""
    node = regent.kube.cluster
    path = f"{node.kubectl_program.parent}:{tools.helm().parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + script],
        capture_output=True,
        text=True,
        env={**node.environment, "PATH": path},
        cwd=folder,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
