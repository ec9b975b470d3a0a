"""The policy guide's commands for manifests alone, run as they stand."""

import subprocess

from tests.guides import commands

PATIENCE_SECONDS = 300


def test_lint_finds_nothing_and_explain_tells_what_a_turn_would_meet() -> None:
    (block,) = commands("policy.md", "Before a cluster sees it")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    stages = [line.split() for line in done.stdout.splitlines() if line.startswith(("callers ", "limits ", "route "))]
    assert [stage[:2] for stage in stages] == [["callers", "Allow"], ["limits", "Allow"], ["route", "Allow"]]
    assert "quickstart/house-rules, regent-system/floor" in done.stdout
    assert done.stdout.rstrip().endswith("Would go on: Internal, rule all (Ordered), to demo")
