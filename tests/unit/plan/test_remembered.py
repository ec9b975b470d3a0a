import gc
from collections.abc import Iterator

import pytest

from regent_operator.plan.remembered import Remembered, Shared


class Named:
    """Equal to each of the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


class Value:
    """Of something."""


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """What is let go goes at once, not when somebody looks for it."""
    gc.disable()
    yield
    gc.enable()


def test_a_value_is_made_once_for_the_very_same_object() -> None:
    one, other, remembered = Named("a"), Named("b"), Remembered[object]()
    made = remembered.of(one, make=object)
    assert remembered.of(one, make=object) is made
    assert remembered.of(other, make=object) is not made


def test_an_equal_object_is_another() -> None:
    one, same, remembered = Named("a"), Named("a"), Remembered[object]()
    assert remembered.of(one, make=object) is not remembered.of(same, make=object)


def test_what_is_beside_the_object_counts_by_its_value_and_the_last_one_is_remembered() -> None:
    one, remembered = Named("a"), Remembered[object]()
    made = remembered.of(one, also=("x", 1), make=object)
    assert remembered.of(one, also=("x", 1), make=object) is made
    assert remembered.of(one, also=("x", 2), make=object) is not made
    assert remembered.of(one, also=("x", 1), make=object) is not made
    assert len(remembered._known) == 1


def test_what_was_made_of_an_object_goes_with_it() -> None:
    """Or another one with its id would be taken for it."""
    remembered = Remembered[str]()
    for number in range(1000):
        assert remembered.of(Named(str(number)), make=lambda number=number: str(number)) == str(number)
    assert remembered._known == {}


def test_what_was_made_anew_stays_when_the_one_before_is_let_go() -> None:
    one, remembered = Named("a"), Remembered[object]()
    remembered.of(one, also=1, make=object)
    made = remembered.of(one, also=2, make=object)
    assert remembered.of(one, also=2, make=object) is made
    del one
    assert remembered._known == {}


def test_a_value_is_shared_by_all_who_hold_it() -> None:
    one, other, shared = Named("a"), Named("b"), Shared[Value]()
    held = shared.of(one, other, make=Value)
    assert shared.of(one, other, make=Value) is held
    assert shared.of(Named("a"), other, make=Value) is held
    assert shared.of(other, one, make=Value) is not held
    assert shared.of(one, make=Value) is not held


def test_a_value_that_nobody_holds_is_forgotten_with_its_key() -> None:
    shared = Shared[Value]()
    for number in range(9):
        assert isinstance(shared.of(Named(str(number)), make=Value), Value)
    assert dict(shared._known) == {}
