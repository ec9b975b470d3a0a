"""The routes guide's commands for manifests alone, run as they stand."""

import subprocess

from tests.guides import commands

PATIENCE_SECONDS = 300


def test_lint_finds_nothing_and_explain_names_who_would_be_asked() -> None:
    (block,) = commands("routes.md", "Before a cluster sees it")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    outcomes = [line for line in done.stdout.splitlines() if line.startswith("Would go on: ")]
    assert outcomes == [
        "Would go on: Internal, rule general (Ordered), to cloud-a, cloud-b",
        "Would go on: Confidential, rule critical (Ordered), to onprem",
    ]
