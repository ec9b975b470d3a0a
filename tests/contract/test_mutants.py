"""`make mutants` without its maker of mutants: what becomes of some that are known, in a tree of one module."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = """\
LIMIT = 10


def admits(count: int) -> bool:
    return LIMIT > count


class Door:
    def __init__(self) -> None:
        self.opened = [name for name in ("ann", "bob") if len(name) < LIMIT]

    def opens(self, name: str) -> bool:
        return name in self.opened
"""
TESTS = """\
import threading

from regent_sample import Door, admits

OPENED = Door().opened


def test_the_limit() -> None:
    assert admits(9)
    assert not admits(11)


def test_a_door() -> None:
    opens = []
    thread = threading.Thread(target=lambda: opens.append(Door().opens("bob")))
    thread.start()
    thread.join()
    assert opens == [True]
"""
MUTANTS = {
    "in place": ("LIMIT > count", "LIMIT < count"),
    "in place, unnoticed": ("LIMIT > count", "LIMIT >= count"),
    "in a thread": ("name in self", "name not in self"),
    "at import": ("LIMIT = 10", "LIMIT = 12"),
    "at import, unnoticed": ("LIMIT = 10", "LIMIT = 11"),
    "run at import": ("len(name) < LIMIT", "len(name) > LIMIT"),
    "no module": ("LIMIT = 10", "LIMIT = 10 / 0"),
    "no mutant": ("LIMIT = 10", "LIMIT = 5 + 5"),
}
TRY = """\
import json, sys
from mutation import Mutant
from trial import Room, tried

[module, *sources] = json.load(sys.stdin)
heard = []
tried(
    Room(("runtime/src/regent_sample",), ("tests",)),
    [Mutant.of(module, source) for source in sources],
    lambda mutant, outcome: heard.append((outcome.name, mutant.function, mutant.line, mutant.becomes)),
)
json.dump(heard, open("heard.json", "w"))
"""
LOOP = "import sys, warm; print(warm.ended(warm.begun(lambda: sum(iter(int, 1)), cpu_seconds=1)) in warm.LIMITS)"


def run(program: str, folder: Path, said: str = "") -> str:
    paths = {"PYTHONPATH": f"{ROOT / 'tools'}:{folder / 'runtime/src'}"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | paths,
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_mutant_meets_the_tests_that_can_notice_it(tmp_path: Path) -> None:
    module = "runtime/src/regent_sample/__init__.py"
    for name, text in {
        module: MODULE,
        "tests/test_sample.py": TESTS,
        "pytest.ini": "[pytest]\naddopts = --import-mode=importlib\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    run(TRY, tmp_path, json.dumps([module, *(MODULE.replace(*change) for change in MUTANTS.values())]))

    heard = dict(zip(MUTANTS, json.loads((tmp_path / "heard.json").read_text()), strict=True))
    assert {name: outcome for name, (outcome, *_) in heard.items()} == {
        "in place": "KILLED",
        "in place, unnoticed": "SURVIVED",
        "in a thread": "KILLED",
        "at import": "KILLED",
        "at import, unnoticed": "SURVIVED",
        "run at import": "KILLED",
        "no module": "NO_MODULE",
        "no mutant": "SAME",
    }
    assert heard["in a thread"][1:] == ["Door.opens", "return name in self.opened", "return name not in self.opened"]
    assert heard["at import"][1:] == ["", "LIMIT = 10", "LIMIT = 12"]


def test_a_run_that_would_never_end_is_ended(tmp_path: Path) -> None:
    assert run(LOOP, tmp_path) == "True\n"
