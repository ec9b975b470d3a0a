"""When a run in which the leader was killed has failed, and when it was only slow."""

from tests.bench.takeover import faults, in_words

FINE = {
    "agents": 100,
    "deployments_when_killed": 30,
    "takeover_seconds": 60.0,
    "made_twice": 0,
    "missing": {},
    "not_ready": 0,
}


def test_seconds_are_told_in_words_and_are_no_fault() -> None:
    assert faults(FINE) == []
    assert in_words(12.34) == "took 12.3 s, within the goal of 20 s"
    assert in_words(60.0) == "took 60.0 s, misses the goal of 20 s; on a slow machine that is no fault of the operator"


def test_whatever_is_counted_and_is_not_zero_is_a_fault() -> None:
    assert faults(FINE | {"made_twice": 1}) == ["made_twice: 1"]
    assert faults(FINE | {"missing": {"services": 2}}) == ["missing: {'services': 2}"]
    assert faults(FINE | {"not_ready": 3}) == ["not_ready: 3"]


def test_a_leader_that_had_finished_was_not_killed_in_the_middle() -> None:
    (fault,) = faults(FINE | {"deployments_when_killed": 100})
    assert "no middle" in fault
