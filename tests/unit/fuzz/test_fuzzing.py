"""The fuzzer finds what it is there for."""

import itertools

from tests.fuzz.mutate import inputs
from tests.fuzz.run import HANG_SECONDS, MOST_FAILURES, run
from tests.fuzz.target import Target, found


def crashing(data: bytes) -> None:
    assert b"<" not in data


SEEDS = (b"a good input", b"another one")


def test_the_same_seed_makes_the_same_inputs() -> None:
    target = Target(crashing, SEEDS)
    assert list(inputs(target, 300, 7)) == list(inputs(target, 300, 7))
    assert len(set(inputs(target, 300, 7))) > 200


def test_a_crash_is_found_and_its_input_kept() -> None:
    report = run(Target(crashing, SEEDS, words=(b"<",)), 1000, 1, watchdog=False)
    assert len(report.failures) == MOST_FAILURES
    assert all(b"<" in data and words.startswith("AssertionError") for data, words in report.failures)


def test_a_hang_is_found() -> None:
    ticks = itertools.count()
    report = run(Target(lambda _: None, SEEDS), 1, 1, lambda: next(ticks) * 2 * HANG_SECONDS, watchdog=False)
    assert [words for _, words in report.failures] == ["hang: 2.0 s"]


def test_a_part_that_holds_has_no_failures() -> None:
    report = run(Target(lambda _: None, SEEDS), 500, 1, watchdog=False)
    assert (report.fed, report.failures) == (500, [])


def test_every_target_takes_its_own_seeds() -> None:
    for name, target in found().items():
        assert run(target, len(target.seeds), 1, watchdog=False).failures == [], name
