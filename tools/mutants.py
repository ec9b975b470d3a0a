"""Breaks the code one small way at a time and asks whether a test notices: `make mutants [ROOM=policy] [SAMPLE=150]`.

A room is a part of the code with the tests that hold it; the figure is the share of its mutants that they kill. Not
counted: a mutant that compiles to the instructions that were there, which is none, and one whose module cannot be
imported, which any test would notice. Every other mutant that no test fails for survives, and is listed, whether it
could be seen or not: what makes a difference needs a test, what makes none is code that can be simpler.

The tests that enter the mutated function run, the fastest first, until one fails; a mutant that they do not kill meets
all tests of the room. A mutant that never ends is killed, and told. cosmic-ray makes the mutants; it is fetched at the
pinned version, and no product needs it.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import warm
from mutation import Mutant
from trial import Outcome, Room, tried

ROOT = Path(__file__).resolve().parent.parent
TOOL = "cosmic-ray==8.7.0"
GOAL = 0.9
WEAK = 3
"""Exit code where a share is below the goal."""

ROOMS = {
    "policy": Room(
        ("operator/src/regent_operator/plan/policy.py", "operator/src/regent_operator/plan/lattice.py"),
        ("tests/unit/plan/test_policy.py", "tests/unit/plan/test_lattice.py", "tests/unit/plan/test_agent.py"),
    ),
    "callers": Room(
        ("runtime/src/regent_runtime/callers",), ("tests/unit/runtime/callers", "tests/contract/test_api_keys.py")
    ),
    "access": Room(("runtime/src/regent_runtime/access",), ("tests/unit/runtime/access",)),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("rooms", nargs="*", default=list(ROOMS), help=f"of {', '.join(ROOMS)}")
    arguments.add_argument("--sample", type=int, metavar="N", help="try N mutants of each room instead of all")
    asked = arguments.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ |= {"REGENT_LAW_EXAMPLES": "8"}
    codes = [warm.ended(warm.begun(partial(_room, name, asked.sample), loud=True)) for name in asked.rooms]
    return max(codes)


def _room(name: str, sample: int | None) -> int:
    """0 or WEAK. In a process of its own: what an earlier room imported would be no news here."""
    begun = time.monotonic()
    mutants = _mutants(ROOMS[name].files)
    drawn = mutants if sample is None else sorted(mutants, key=_lot)[:sample]
    tally: Counter[Outcome] = Counter()

    def heard(mutant: Mutant, outcome: Outcome) -> None:
        tally[outcome] += 1
        if outcome in {Outcome.SURVIVED, Outcome.ENDED}:
            _say(f"  {outcome.value} ({tally.total()} of {len(drawn)}): {mutant}")

    tried(ROOMS[name], drawn, heard)
    killed = tally[Outcome.KILLED] + tally[Outcome.ENDED]
    counted = killed + tally[Outcome.SURVIVED]
    share = killed / counted if counted else 0.0
    _say(
        f"{name}: {killed} of {counted} killed ({tally[Outcome.ENDED]} never ended), {share:.1%}, goal {GOAL:.0%}; "
        f"not counted: {tally[Outcome.NO_MODULE]} that cannot be imported, {tally[Outcome.SAME]} of the same "
        f"instructions; {time.monotonic() - begun:.0f} s"
    )
    return 0 if share >= GOAL else WEAK


def _mutants(modules: Sequence[str]) -> list[Mutant]:
    python = ("uv", "run", "--quiet", "--no-project", "--python", sys.executable, "--with", TOOL, "python")
    done = subprocess.run(  # noqa: S603 - our own words
        [str(ROOT / "tools" / "bootstrap"), *python, "tools/mutate.py", *modules],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return [Mutant.of(*json.loads(line)) for line in done.stdout.splitlines()]


def _lot(mutant: Mutant) -> bytes:
    return sha256(f"{mutant.module} {mutant.source}".encode()).digest()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - it is a command


if __name__ == "__main__":
    sys.exit(main())
