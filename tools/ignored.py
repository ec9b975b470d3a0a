"""Ignores the fields of AgentPolicy one by one, and fails for each whose marked tests all pass: `make enforcement`.

A mark on a test is a claim; this asks. Tests of the real node are left out: a pod cannot be told to ignore a field.
Each field is a run in a fork of one warm process, where the tests are imported anew under the field's absence.
"""

import os
import sys
from collections.abc import Iterable

import enforcement
import pytest
import warm

sys.path.insert(0, str(enforcement.ROOT))
from tests.ignoring import UNIGNORABLE

TESTS_FAILED = 1
QUIETLY = ("-x", "-q", "-p", "no:cacheprovider")


def main() -> int:
    os.chdir(enforcement.ROOT)
    os.environ["REGENT_LAW_EXAMPLES"] = "20"
    chosen = sys.argv[1:]
    asked = [kept for kept in enforcement.fields() if not kept.path.startswith(UNIGNORABLE)]
    asked = [kept for kept in asked if not chosen or kept.path in chosen]
    if code := warm.imported(files(test for kept in asked for test in tests(kept))):
        raise SystemExit(f"the tests cannot be collected: {code}")
    unnoticed = []
    for kept in asked:
        noticed = _noticed(kept)
        print(f"{kept.path}: {'noticed' if noticed else 'NOBODY NOTICES'}", flush=True)  # noqa: T201
        unnoticed += [] if noticed else [kept.path]
    print(f"{len(asked) - len(unnoticed)} of {len(asked)} fields noticed")  # noqa: T201
    return 3 if unnoticed else 0


def tests(kept: enforcement.Kept) -> list[str]:
    """Those that bear the mark and can be asked, those of units first."""
    marked = [f"tests/{test}" for test in kept.tests if not test.startswith(("e2e/", "api/"))]
    return sorted(marked, key=lambda test: not test.startswith("tests/unit/"))


def files(tests: Iterable[str]) -> list[str]:
    return sorted({test.partition("::")[0] for test in tests})


def _noticed(kept: enforcement.Kept) -> bool:
    asked = tests(kept)

    def without() -> int:
        os.environ["REGENT_IGNORE"] = kept.path
        warm.forget(("tests.",))
        return int(pytest.main([*QUIETLY, "-p", "tests.ignoring", *asked]))

    return bool(asked) and warm.ended(warm.begun(without)) == TESTS_FAILED


if __name__ == "__main__":
    sys.exit(main())
