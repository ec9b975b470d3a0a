"""Breaks the code one small way at a time and asks whether a test notices: `make mutants [ROOM=policy] [SAMPLE=150]`.

Works on a copy of the tree. A room is a part of the code with the unit tests that hold it; the figure is the share of
mutants that its tests kill, of all or of a sample that is the same each time. Survivors are listed. cosmic-ray is
fetched at the pinned version; nothing of the product depends on it.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = "cosmic-ray==8.7.0"
GOAL = 0.9
SECONDS_A_MUTANT = 120
SOURCES = ("crds/src", "operator/src", "runtime/src")


@dataclass(frozen=True)
class Room:
    modules: tuple[str, ...]
    tests: tuple[str, ...]


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
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("rooms", nargs="*", default=list(ROOMS), help=f"of {', '.join(ROOMS)}")
    arguments.add_argument("--sample", type=int, metavar="N", help="try N mutants of each room instead of all")
    asked = arguments.parse_args()
    weak = [name for name in asked.rooms if not _strong(name, ROOMS[name], asked.sample)]
    return 3 if weak else 0


def _strong(name: str, room: Room, sample: int | None) -> bool:
    with tempfile.TemporaryDirectory(prefix="regent-mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "build", "__pycache__"))
        for step in (["init", "mutants.toml", "mutants.sqlite"], ["baseline", "mutants.toml"]):
            _configure(copy, room)
            _cosmic_ray(copy, *step)
        if sample is not None:
            _leave(copy / "mutants.sqlite", sample)
        _cosmic_ray(copy, "exec", "mutants.toml", "mutants.sqlite")
        outcomes = list(_outcomes(_cosmic_ray(copy, "dump", "mutants.sqlite")))
    killed = [where for where, survived in outcomes if not survived]
    share = len(killed) / len(outcomes)
    print(f"{name}: {len(killed)} of {len(outcomes)} mutants killed, {share:.0%} (goal {GOAL:.0%})")  # noqa: T201
    for where, survived in outcomes:
        if survived:
            print(f"  survived: {where}")  # noqa: T201
    return share >= GOAL


def _leave(session: Path, sample: int) -> None:
    """Only some of the mutants that wait in a session, drawn by a hash of where and what they are."""
    with closing(sqlite3.connect(session)) as connection, connection:
        rows = connection.execute("select job_id, module_path, operator_name, occurrence from mutation_specs")
        drawn = sorted((sha256(repr(row[1:]).encode()).digest(), row[0]) for row in rows)
        for table in ("mutation_specs", "work_items"):
            connection.executemany(f"delete from {table} where job_id = ?", [(job,) for _, job in drawn[sample:]])  # noqa: S608 - our own words


def _configure(copy: Path, room: Room) -> None:
    test = " ".join([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *room.tests])
    modules = ", ".join(f'"{module}"' for module in room.modules)
    text = (
        f"[cosmic-ray]\nmodule-path = [{modules}]\ntimeout = {SECONDS_A_MUTANT}\nexcluded-modules = []\n"
        f'test-command = "{test}"\n\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    (copy / "mutants.toml").write_text(text)


def _cosmic_ray(copy: Path, *words: str) -> str:
    command: Sequence[str] = [str(ROOT / "tools" / "bootstrap"), "uv", "tool", "run", "--quiet", "--from", TOOL]
    sources = ":".join(str(copy / source) for source in SOURCES)
    environment = os.environ | {"PYTHONPATH": sources, "REGENT_LAW_EXAMPLES": "8"}
    done = subprocess.run(  # noqa: S603 - our own words
        [*command, "cosmic-ray", *words], cwd=copy, env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return done.stdout


def _outcomes(dump: str) -> Iterator[tuple[str, bool]]:
    """(where and what, whether it survived) of each mutant."""
    for line in dump.splitlines():
        item, result = json.loads(line)
        for mutation in item["mutations"]:
            where = f"{mutation['module_path']}:{mutation['start_pos'][0]} {mutation['operator_name']}"
            yield where, result is None or result["test_outcome"] == "survived"


if __name__ == "__main__":
    sys.exit(main())
