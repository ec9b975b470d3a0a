"""Ignores the fields of AgentPolicy one by one, and fails for each whose marked tests all pass: `make enforcement`.

A mark on a test is a claim; this asks. Tests of the real node are left out: a pod cannot be told to ignore a field.
"""

import os
import subprocess
import sys
from pathlib import Path

import enforcement

sys.path.insert(0, str(enforcement.ROOT))
from tests.ignoring import UNIGNORABLE

SECONDS_A_FIELD = 600
TESTS_FAILED = 1


def main() -> int:
    chosen = sys.argv[1:]
    unnoticed = []
    for kept in enforcement.fields():
        if (chosen and kept.path not in chosen) or kept.path.startswith(UNIGNORABLE):
            continue
        noticed = _noticed(kept)
        print(f"{kept.path}: {'noticed' if noticed else 'NOBODY NOTICES'}", flush=True)  # noqa: T201
        unnoticed += [] if noticed else [kept.path]
    return 3 if unnoticed else 0


def _noticed(kept: enforcement.Kept) -> bool:
    tests = [f"tests/{test}" for test in kept.tests if not test.startswith(("e2e/", "api/"))]
    command = [str(Path(sys.executable)), "-m", "pytest", "-x", "-q", "-p", "tests.ignoring", "-p", "no:cacheprovider"]
    done = subprocess.run(  # noqa: S603 - our own words
        [*command, *tests],
        cwd=enforcement.ROOT,
        env=os.environ | {"REGENT_IGNORE": kept.path, "REGENT_LAW_EXAMPLES": "20"},
        stdout=subprocess.PIPE,
        timeout=SECONDS_A_FIELD,
        check=False,
    )
    return bool(tests) and done.returncode == TESTS_FAILED


if __name__ == "__main__":
    sys.exit(main())
