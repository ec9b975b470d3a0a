"""What the tests of a room make of its mutants.

The tests are collected once, in one process, and each mutant is tried in a fork of it. Where a mutant changes the body
of functions that nothing has run yet, these get their new instructions in place and the collected tests run at once;
otherwise all of ours is imported anew, the mutant among it.
"""

import gc
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_loader
from pathlib import Path
from time import process_time
from types import CodeType, FunctionType
from typing import Any

import pytest
import warm
from _pytest.runner import runtestprotocol
from entries import AT_IMPORT, Entries, place
from mutation import Mutant

ALWAYS = ("-x", "-q", "-s", "-p", "no:cacheprovider", "--hypothesis-seed=1")
NOTICED = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
"""A test fails, or cannot be collected."""
UNNOTICED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
NO_MODULE = 77
"""Exit code of a run whose mutant cannot be imported."""


class Outcome(Enum):
    KILLED = "killed"
    ENDED = "ended by a limit"
    SURVIVED = "survived"
    NO_MODULE = "cannot be imported"
    SAME = "same instructions"


@dataclass(frozen=True)
class Room:
    modules: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """Of the modules, relative to the root."""
        return [str(file) for module in map(Path, self.modules) for file in _files(module)]


def tried(room: Room, mutants: Iterable[Mutant], heard: Callable[[Mutant, Outcome], None]) -> None:
    """Hear what becomes of each mutant. Raises RuntimeError when the tests fail without any."""
    if code := pytest.main([*ALWAYS, *room.tests], plugins=[_Trial(room, mutants, heard)]):
        raise RuntimeError(f"the tests fail without any mutant: {code}")


class _Trial:
    """A plugin of pytest that tries mutants in the place of its loop over the tests."""

    def __init__(self, room: Room, mutants: Iterable[Mutant], heard: Callable[[Mutant, Outcome], None]) -> None:
        self._room = room
        self._mutants = mutants
        self._heard = heard
        self._files = {str(Path(file).resolve()) for file in room.files}
        self._entries = Entries(self._files)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[None]:
        with self._entries.by(AT_IMPORT):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        self._seconds, self._entered = self._baseline()
        self._fastest_first = sorted(self._seconds, key=self._seconds.__getitem__)
        self._live = _live(self._files)
        gc.freeze()  # a child's collector leaves alone, and so does not copy, what its parent made
        for mutant in self._mutants:
            self._heard(mutant, self._outcome(mutant))
        return True

    def _baseline(self) -> tuple[dict[str, float], dict[str, list[str]]]:
        """Seconds of each test, and what enters each function, from a child: this process stays as it was collected."""
        read, write = os.pipe()

        def run() -> int:
            seconds = {}
            for test, item in self._items.items():
                begun = process_time()
                with self._entries.by(test):
                    if _fails(item):
                        return pytest.ExitCode.TESTS_FAILED
                seconds[test] = process_time() - begun
            with os.fdopen(write, "w") as out:
                json.dump([seconds, self._entries.found()], out)
            return pytest.ExitCode.OK

        child = warm.begun(run)
        os.close(write)
        with os.fdopen(read) as found:
            said = found.read()
        if code := warm.ended(child):
            raise RuntimeError(f"the tests fail without any mutant: {code}")
        seconds, entered = json.loads(said)
        return seconds, entered

    def _outcome(self, mutant: Mutant) -> Outcome:
        if mutant.is_none:
            return Outcome.SAME
        entering = set(self._entered.get(place(mutant.file, mutant.function), ()))
        at_import = mutant.function == AT_IMPORT or AT_IMPORT in entering
        functions = None if at_import else self._functions(mutant)
        chosen = [test for test in self._fastest_first if at_import or test in entering]
        for tests in (chosen, self._fastest_first):
            outcome = self._run(mutant, tests, functions)
            if outcome is not Outcome.SURVIVED or len(tests) == len(self._fastest_first):
                break
        return outcome

    def _functions(self, mutant: Mutant) -> list[tuple[FunctionType, CodeType]] | None:
        """The functions that the mutant changes and what they become; None where it cannot be put in place."""
        bodies = mutant.bodies
        if bodies is None or not all(self._live.get((mutant.file, before)) for before in bodies):
            return None
        return [(each, after) for before, after in bodies.items() for each in self._live[mutant.file, before]]

    def _run(
        self, mutant: Mutant, tests: Collection[str], functions: list[tuple[FunctionType, CodeType]] | None
    ) -> Outcome:
        def in_place() -> int:
            for function, after in functions or ():
                function.__code__ = after
            return pytest.ExitCode.TESTS_FAILED if any(_fails(self._items[test]) for test in tests) else 0

        def anew() -> int:
            if not _imported(mutant):
                return NO_MODULE
            return int(pytest.main([*ALWAYS, *self._room.tests], plugins=[_Chosen(tests, self._fastest_first)]))

        limit = round(10 + 3 * sum(map(self._seconds.__getitem__, tests)))
        code = warm.ended(warm.begun(anew if functions is None else in_place, cpu_seconds=limit))
        if code in UNNOTICED:
            return Outcome.SURVIVED
        if code == NO_MODULE:
            return Outcome.NO_MODULE
        if code in warm.LIMITS:
            return Outcome.ENDED
        if code in NOTICED or code > warm.SIGNALLED:
            return Outcome.KILLED
        raise RuntimeError(f"it could not be tried ({code}): {mutant}")


class _Chosen:
    """A plugin of pytest: those chosen of the known tests, in this order, and the unknown (named anew each time)."""

    def __init__(self, chosen: Collection[str], known: Collection[str]) -> None:
        self._left = set(known) - set(chosen)
        self._order = {test: order for order, test in enumerate(chosen)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid not in self._left]
        items[:] = sorted(chosen, key=lambda item: self._order.get(item.nodeid, len(self._order)))


class _Mutated(SourceFileLoader):
    """Finds and loads one module: the mutant."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.name, mutant.file)
        self._code = mutant.code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - there is only one
        return self._code

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return spec_from_loader(fullname, self, is_package=Path(self.path).name == "__init__.py")


def _imported(mutant: Mutant) -> bool:
    """In a child: forget all of ours, and import the mutant in the place of its module; whether that can be done."""
    warm.forget()
    sys.meta_path.insert(0, _Mutated(mutant))
    try:
        __import__(mutant.name)
    except Exception:  # noqa: BLE001 - whatever the mutant does
        return False
    return True


def _fails(item: pytest.Item) -> bool:
    try:
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
    except BaseException:  # noqa: BLE001 - what would end pytest itself
        return True


def _live(files: set[str]) -> Mapping[tuple[str, CodeType], list[FunctionType]]:
    """The functions of some files that are there, by file and code."""
    found: dict[tuple[str, CodeType], list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in files:
            found[each.__code__.co_filename, each.__code__].append(each)
    return found


def _files(module: Path) -> list[Path]:
    return [module] if module.suffix == ".py" else sorted(module.rglob("*.py"))
