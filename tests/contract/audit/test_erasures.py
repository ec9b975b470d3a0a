"""Notes of erasures: who reads them hears of each once, in order, for a day."""

from collections.abc import Callable
from pathlib import Path

import pytest

from regent_api.audit import erasures
from regent_api.audit.erasures import KEPT_NS, RECENT_NS, note, noted, prune
from regent_api.audit.subjects import subject_digest

MOST = 10
START = 1_800_000_000 * 10**9


def at(moment: int) -> Callable[[], int]:
    return lambda: moment


def test_each_is_heard_of_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / erasures.FILE
    following, heard_at_first = noted(path, None, MOST, at(START))
    assert heard_at_first == []
    for number in range(5):
        note(path, f"subject-{number}", at(START + number))
    heard = []
    while found := noted(path, following, 2)[1]:
        following = noted(path, following, 2)[0]
        heard += found
    assert heard == [subject_digest(f"subject-{number}") for number in range(5)]
    assert b"subject" not in path.read_bytes()


def test_a_clock_that_is_set_back_hides_none(tmp_path: Path) -> None:
    path = tmp_path / erasures.FILE
    note(path, "a", at(START))
    following, _ = noted(path, 0, MOST)
    note(path, "b", at(START - 3600 * 10**9))
    assert noted(path, following, MOST)[1] == [subject_digest("b")]


@pytest.mark.parametrize("before", [[], ["long ago"]])
def test_a_clock_that_is_set_back_hides_none_from_who_had_heard_of_nothing(tmp_path: Path, before: list[str]) -> None:
    path = tmp_path / erasures.FILE
    for subject in before:
        note(path, subject, at(START - 3600 * 10**9))
    following, heard = noted(path, None, MOST, at(START))
    assert heard == []
    note(path, "a", at(START - 600 * 10**9))
    assert noted(path, following, MOST)[1] == [subject_digest("a")]


def test_who_has_not_looked_before_hears_of_the_latest_alone(tmp_path: Path) -> None:
    path = tmp_path / erasures.FILE
    note(path, "long ago", at(START))
    note(path, "just now", at(START + RECENT_NS))
    assert noted(path, None, MOST, at(START + RECENT_NS + 1))[1] == [subject_digest("just now")]


def test_a_day_later_nothing_tells_of_it(tmp_path: Path) -> None:
    path = tmp_path / erasures.FILE
    prune(path)
    note(path, "a", at(START))
    note(path, "b", at(START + 1))
    prune(path, at(START + KEPT_NS))
    assert noted(path, 0, MOST)[1] == [subject_digest("b")]
    note(path, "c", at(START + 1 + KEPT_NS))
    assert noted(path, 0, MOST)[1] == [subject_digest("c")]
    prune(path, at(START + 2 * KEPT_NS + 1))
    assert path.read_bytes() == b""
